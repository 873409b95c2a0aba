"""The relay over fakes: all of the service but its doors and its adapters."""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.delivery import Item
from callback_service.domain.run import Run
from callback_service.domain.sink import HttpSink, Sink
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.deliver import Deliverer
from callback_service.relay.lanes import Lanes
from callback_service.relay.receive import Callback, Receiver
from callback_service.relay.record import Recorder, Step
from callback_service.relay.register import Keys, NamedTask, Registrar, Registration
from callback_service.relay.servers import ServerRegistry
from callback_service.relay.stuck import StuckRuns
from callback_service.relay.sweep import Expirer, Retention, Sweeper
from tests.fakes.clock import FakeClock
from tests.fakes.cwl_wes import FakeWesRuns
from tests.fakes.doorbell import FakeDoorbell
from tests.fakes.fuse import Fuse
from tests.fakes.sender import FakeSender
from tests.fakes.store import FakeDeliveryLog, FakeRuns, FakeServers, FakeTasks
from tests.fakes.waiters import FakeWaiters

OWNER = "local"
SINK = HttpSink("https://wes.example.org/hook")
# Shared by all tests: threads take longer to start than most of what runs on them.
_EXECUTOR = ThreadPoolExecutor(4)
_WORKERS = ThreadPoolExecutor(4)


@dataclass
class SmallService:
    clock: FakeClock = field(default_factory=FakeClock)
    tasks: FakeTasks = field(default_factory=FakeTasks)
    runs: FakeRuns = field(default_factory=FakeRuns)
    servers: FakeServers = field(default_factory=FakeServers)
    delivery_log: FakeDeliveryLog = field(default_factory=FakeDeliveryLog)
    doorbell: FakeDoorbell = field(default_factory=FakeDoorbell)
    waiters: FakeWaiters = field(default_factory=FakeWaiters)
    sender: FakeSender = field(default_factory=FakeSender)
    targets: tuple[str, ...] = ()
    wes_runs: FakeWesRuns = field(default_factory=FakeWesRuns)

    def __post_init__(self):
        self.recorder = Recorder(self.tasks, self.doorbell, self.waiters)
        self.receiver = Receiver(self.runs, self.tasks, self.recorder, self.clock)
        self.registrar = self.new_registrar(Fuse())
        self.stuck = StuckRuns(self.runs, self.tasks, self.wes_runs, self.doorbell, self.clock)
        self.sweeper = Sweeper(self.tasks, self.runs, self.doorbell, self.clock)
        keep = Retention(tasks=timedelta(days=30), deliveries=timedelta(days=7))
        self.expirer = Expirer(self.tasks, self.runs, self.delivery_log, self.clock, keep)

    def new_registrar(self, fuse: Fuse) -> Registrar:
        runs, tasks, servers = map(fuse.protect, (self.runs, self.tasks, self.servers))
        return Registrar(
            runs,
            tasks,
            ServerRegistry(servers, self.clock),
            Recorder(tasks, self.doorbell, self.waiters),
            self.doorbell,
            self.clock,
            AddressPolicy(),
            self.targets,
        )

    @property
    def stores(self):
        return self.tasks, self.runs, self.servers, self.delivery_log

    def register(
        self, *task_ids: str, sink: Sink = SINK, owner: str = OWNER, **wanted: object
    ) -> tuple[str, Keys]:
        """Register a run; return its id and its keys."""
        tasks = [NamedTask(task_id) for task_id in task_ids]
        registration = Registration(sink=sink, tasks=tasks, **wanted)
        run, keys = self.registrar.register(owner, registration)
        return run.id, keys

    def join(self, run_id: str, *task_ids: str) -> None:
        named = [NamedTask(task_id) for task_id in task_ids]
        self.registrar.add_tasks(OWNER, run_id, named)

    def call_back(self, keys: Keys, task_id: str, *states: State) -> None:
        for state in states:
            self.receiver.receive(Callback(keys.token, task_id, state))

    def read_truth(self, task_id: str, state: State) -> None:
        """The server's own answer, as whoever polls it records it."""
        now = self.clock.now()
        self.recorder.record([Step(key(task_id), lambda task: task.hear(state, Source.POLL, now))])

    def deliverer(self, holder: str = "worker", fuse: Fuse | None = None) -> Deliverer:
        """A worker, whose calls all go by the fuse if there is one."""
        protect = fuse.protect if fuse else lambda port: port
        return Deliverer(
            protect(self.tasks),
            protect(self.runs),
            protect(self.delivery_log),
            protect(self.sender),
            self.clock,
            # In the middle of the spread: each delay is what the schedule says.
            chance=lambda: 0.5,
            holder=holder,
            executor=_EXECUTOR,
            lanes=Lanes(10, 5),
        )

    def deliver(self, *run_ids: str, holder: str = "worker", fuse: Fuse | None = None) -> None:
        """Answer a doorbell: that of these runs, or of all that rang."""
        for run_id in run_ids or sorted(self.doorbell.answer()):
            telling = self.deliverer(holder, fuse).deliver(run_id)
            # In a thread of its own: another worker may be in the midst of sending.
            _WORKERS.submit(asyncio.run, telling).result()

    def run(self, run_id: str) -> Run:
        return self.runs.find([run_id])[run_id]

    def task(self, task_id: str) -> Task:
        return self.tasks.load([key(task_id)])[key(task_id)]

    def told(self, run_id: str) -> list[tuple[str, State]]:
        """What the run's receiver was sent, in order, refused deliveries included."""
        return [worded(item) for item in self.sender.items_of(run_id)]

    def posts(self, run_id: str) -> list[list[tuple[str, State]]]:
        """The same by POST."""
        return [list(map(worded, sent.items)) for sent in self.sender.sent_to(run_id)]

    def buried(self, run_id: str) -> list[tuple[str, State]]:
        return [
            worded(letter.item) for letter in self.delivery_log.letters if letter.run_id == run_id
        ]

    def is_owed(self, run_id: str) -> bool:
        return run_id in self.tasks.creditors()


def key(task_id: str, owner: str = OWNER, server: str = "default") -> TaskKey:
    return TaskKey(owner, server, task_id)


def worded(item: Item) -> tuple[str, State]:
    return item.key.task_id, item.update.state


def once(told: Iterable[tuple[str, State]]) -> Sequence[tuple[str, State]]:
    """Without repeats: the first of each."""
    return list(dict.fromkeys(told))
