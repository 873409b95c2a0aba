"""Whatever call of a port fails, before its effect or after it, all is told once things heal.

`test_promises` fails calls at random, amid all that may happen; here each of them fails once.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from callback_service.domain.delivery import Answer
from callback_service.domain.errors import Unavailable
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import LEASE, Rewind, RunStatus
from callback_service.domain.states import State
from callback_service.relay.receive import Callback, Receiver
from callback_service.relay.record import Recorder
from callback_service.relay.register import NamedTask
from callback_service.relay.sweep import Expirer, Retention, Sweeper
from tests.fakes.fuse import Crashed, Fuse
from tests.relay.small_service import OWNER, SmallService, once

QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
STATES = [QUEUED, RUNNING, COMPLETE]
# More calls than any of these makes.
MANY = 60


class World:
    """A run that follows a task, on which everything is done that a port is called for."""

    def __init__(self) -> None:
        self.service = SmallService()
        self.run_id, self.keys = self.service.register("a", retry=RetryPolicy((0, 5, 60)))
        self.other_id, _ = self.service.register("a")

    def call_back(self, fuse: Fuse) -> None:
        service = self.service
        tasks, runs = fuse.protect(service.tasks), fuse.protect(service.runs)
        recorder = Recorder(tasks, fuse.protect(service.doorbell), service.waiters)
        receiver = Receiver(runs, tasks, recorder, service.clock)
        receiver.receive(Callback(self.keys.token, "a", COMPLETE))

    def tell(self, fuse: Fuse) -> None:
        self.service.deliver(self.run_id, fuse=fuse)

    def tell_again(self, fuse: Fuse) -> None:
        self.service.deliver(self.run_id)
        self.service.registrar.redeliver(OWNER, self.run_id, Rewind(None, None))
        self.service.deliver(self.run_id, fuse=fuse)

    def bury(self, fuse: Fuse) -> None:
        self.service.sender.script(self.run_id, Answer(400), Answer(404))
        self.service.deliver(self.run_id, fuse=fuse)

    def be_refused(self, fuse: Fuse) -> None:
        self.service.sender.script(self.run_id, Answer(503))
        self.service.deliver(self.run_id, fuse=fuse)

    def be_gone(self, fuse: Fuse) -> None:
        self.service.sender.script(self.run_id, Answer(410))
        self.service.deliver(self.run_id, fuse=fuse)

    def sweep(self, fuse: Fuse) -> None:
        service = self.service
        service.doorbell.answer()
        tasks, runs = fuse.protect(service.tasks), fuse.protect(service.runs)
        Sweeper(tasks, runs, fuse.protect(service.doorbell), service.clock).sweep()

    def end_the_other(self, fuse: Fuse) -> None:
        service = self.service
        with suppress(Unavailable, Crashed):
            service.new_registrar(fuse).delete(OWNER, self.other_id)
        if self.is_there(self.other_id):
            service.registrar.delete(OWNER, self.other_id)
        tasks, runs, log = map(fuse.protect, (service.tasks, service.runs, service.delivery_log))
        keep = Retention(tasks=timedelta(days=30), deliveries=timedelta(days=7))
        expirer = Expirer(tasks, runs, log, service.clock, keep)
        expirer.expire()
        expirer.forget()

    def is_there(self, run_id: str) -> bool:
        run = self.service.runs.find([run_id]).get(run_id)
        return run is not None and run.status is not RunStatus.ENDING

    def ask(self, fuse: Fuse) -> None:
        registrar = self.service.new_registrar(fuse)
        registrar.pause(OWNER, self.run_id)
        registrar.resume(OWNER, self.run_id)
        registrar.add_tasks(OWNER, self.run_id, [NamedTask("b")])
        registrar.redeliver(OWNER, self.run_id, Rewind(None, ("a",)))

    def heal(self) -> None:
        """Senders send again, leases end, receivers are well, and owners resume what is gone."""
        service = self.service
        service.call_back(self.keys, "a", COMPLETE)
        service.sender._answers.clear()  # noqa: SLF001  what was scripted for a call that never came
        service.registrar.resume(OWNER, self.run_id)
        for _ in range(3):
            service.clock.advance(LEASE.total_seconds() + 60)
            service.sweeper.sweep()
            service.deliver()
            service.expirer.expire()


def played(journey: Callable[[World, Fuse], None], fuse: Fuse) -> World:
    world = World()
    world.service.call_back(world.keys, "a", QUEUED, RUNNING)
    with suppress(Crashed, Unavailable):
        journey(world, fuse)
    world.heal()
    return world


def check(world: World) -> None:
    service, run_id = world.service, world.run_id
    assert service.task("a").state is COMPLETE
    assert [update.seq for update in service.task("a").history] == [1, 2, 3]
    # Refused or not, and repeats apart.
    assert once(service.told(run_id)) == [("a", state) for state in STATES]
    assert not service.is_owed(run_id)
    assert service.run(run_id).status is RunStatus.ACTIVE
    assert not service.run(run_id).lease.is_held(service.clock.now())


JOURNEYS = [
    World.call_back,
    World.tell,
    World.tell_again,
    World.bury,
    World.be_refused,
    World.be_gone,
    World.sweep,
    World.end_the_other,
    World.ask,
]


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("is_killed", [False, True], ids=["outage", "killed"])
def test_all_is_told_whatever_call_fails(journey, after_effect, is_killed):
    unharmed = Fuse()
    check(played(journey, unharmed))
    assert len(unharmed.calls) < MANY
    for at, name in enumerate(unharmed.calls):
        fuse = Fuse(at, after_effect, None if is_killed else Unavailable("down"))
        world = played(journey, fuse)
        assert fuse.is_burnt, name
        check(world)


def test_these_are_all_the_calls_that_the_telling_makes():
    """Who adds a call to a port adds what leads to it."""
    made = set()
    for journey in JOURNEYS:
        fuse = Fuse()
        played(journey, fuse)
        made |= {name.split(".")[1] for name in fuse.calls}
    assert made >= {
        *("load", "save", "owed_to", "mark_told", "rewind", "creditors", "leave"),
        *("find", "outlines", "change", "resume", "due", "overdue", "missing"),
        *("claim", "close", "rewound", "ended", "remove"),
        *("add", "bury", "forget", "send", "ring"),
    }
