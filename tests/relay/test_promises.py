"""What the service promises, whatever happens in whatever order.

Once a state change is acknowledged, every run that asked for it learns of it, and what a run
believes converges to what the TES server says.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from callback_service.domain.delivery import Answer, Item, Verdict
from callback_service.domain.errors import Conflict, Unavailable, Unknown
from callback_service.domain.polling import LONGEST_BACKOFF, Budget
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import LEASE, Rewind, Run, RunStatus
from callback_service.domain.server import DEFAULT_SERVER, Server
from callback_service.domain.sink import Format, NoSink, Sink
from callback_service.domain.states import Source, State
from callback_service.domain.task import HISTORY_LIMIT, Task
from callback_service.domain.tes import Tag
from callback_service.relay.observe import Observer, Sighting
from callback_service.relay.ports import Question, Reply
from callback_service.relay.receive import Callback, Receiver
from callback_service.relay.reconcile.means import Means, Terms
from callback_service.relay.reconcile.reconciler import HOLD, Reconciler
from callback_service.relay.record import Recorder
from callback_service.relay.register import Keys, NamedTask, Registration
from callback_service.relay.sweep import Expirer, Retention, Sweeper
from tests.fakes.fuse import Crashed, Fuse
from tests.relay.polled_service import inline
from tests.relay.small_service import OWNER, SINK, SmallService, key

TASKS = ["a", "b"]
SINGLE = replace(SINK, format=Format.TES)
SINKS: list[Sink] = [SINK, SINGLE, replace(SINK, url=SINK.url + "/2"), NoSink()]
# What a receiver may answer, in turn.
MOODS = {
    "well": [Answer(204)],
    "down": [Answer(503)],
    "flaky": [Answer(204), Answer(error="connection reset"), Answer(429)],
    "choosy": [Answer(413), Answer(204), Answer(404)],
    "moody": [Answer(413), Answer(503), Answer(204)],
    "gone": [Answer(410)],
}
# The last attempt comes soon.
RETRY = RetryPolicy((0, 5, 60))
CALLS = ["register", "join", "pause", "resume", "redeliver", "rotate", "sink"]
TASK_IDS = st.sampled_from(TASKS)
STATES = st.sampled_from([State.QUEUED, State.RUNNING, State.COMPLETE, State.UNKNOWN])
NUMBERS = st.integers(0, 3)
# Tasks that move, each to another state than it is in.
NEWS = st.lists(TASK_IDS, min_size=1, max_size=4)
# A worker's fate, the call at which it meets it, and whether that call has taken effect.
FATES = st.tuples(
    st.sampled_from(["none", "killed", "outage", "stalled", "thought dead"]),
    st.integers(0, 15),
    st.booleans(),
)
PAUSES = st.sampled_from([0, 5, LEASE.total_seconds(), 60, 60])
# A receiver's mood, what comes, what becomes of the worker that tells it, and how long until more.
TURNS = st.tuples(st.sampled_from(["well", *MOODS]), NEWS, FATES, PAUSES)
WORK = st.lists(TURNS, min_size=1, max_size=6)
# What happens while a worker or a client asks a server, at which call, and whether that call has
# taken effect.
RACES = st.tuples(
    st.sampled_from(["callback", "the server moves on", "another polls", "another reads", "stall"]),
    st.sampled_from(
        [
            "FakeServers.list",
            "FakeTasks.unsettled",
            "FakeServers.claim",
            "FakeServers.find",
            # Most can go wrong between the answer and what is made of it.
            *["TesServer.ask", "FakeTasks.load", "FakeTasks.save"] * 3,
            "FakeServers.polled",
        ]
    ),
    st.booleans(),
)
TERMS = Terms(Tag("callback-service", "gateway"), Budget(1000, 1000))
LIFETIMES = st.sampled_from([timedelta(hours=1), timedelta(days=300)])


@dataclass
class Receivers:
    """They answer as they are in the mood to, and remember what they took."""

    moods: dict[str, str] = field(default_factory=lambda: defaultdict(lambda: "well"))
    taken: dict[str, list[Item]] = field(default_factory=lambda: defaultdict(list))
    given_up: dict[str, set[Item]] = field(default_factory=lambda: defaultdict(set))
    turn: int = 0

    async def send(
        self, run: Run, sink: Sink, webhook_id: str, items: Sequence[Item], at: datetime
    ) -> Answer:
        answers = MOODS[self.moods[run.id]]
        self.turn += 1
        answer = answers[self.turn % len(answers)]
        if answer.verdict is Verdict.TOLD:
            self.taken[run.id] += items
        elif run.is_spent_by(answer) and (len(items) == 1 or not answer.blames_payload):
            self.given_up[run.id] |= set(items)
        return answer


@dataclass
class TesServer:
    """It knows the truth, and says it to whoever asks; it has no filters."""

    states: dict[str, State]
    asked: int = 0

    def ask(self, server: Server, question: Question) -> Reply:
        self.asked += 1
        task_id = question.path.removeprefix("/tasks").removeprefix("/")
        items = [{"id": one, "state": state} for one, state in self.states.items()]
        found = [item for item in items if item["id"] == task_id]
        answer = found[0] if found else {"tasks": items}
        return Reply(200, json.dumps(answer).encode())


@dataclass
class Known:
    """A run as the world knows it."""

    id: str
    keys: Keys
    follows: set[str] = field(default_factory=set)
    # What it asked to be told again, and how much it had taken then.
    asked_again: list[tuple[str, int, int]] = field(default_factory=list)
    taken_at_end: int | None = None

    @property
    def is_over(self) -> bool:
        return self.taken_at_end is not None


class Promises(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.receivers = Receivers()
        self.service = SmallService(sender=self.receivers)
        began_at = self.service.clock.now()
        self.service.servers.add(Server(DEFAULT_SERVER, "https://tes.example.org", began_at))
        self.tes = TesServer(dict.fromkeys(TASKS, State.QUEUED))
        self.worker = self.new_worker(Fuse())
        self.all_runs: list[Known] = []
        # Seconds by which the clock was set back: what was to wait waits for as much longer.
        self.set_back = 0
        # A callback that came while somebody asked: the task, its `seq` then, and how often
        # the server had been asked.
        self.raced: tuple[str, int, int] | None = None

    @property
    def open_runs(self) -> list[Known]:
        return [run for run in self.all_runs if not run.is_over]

    def one(self, number: int) -> Known:
        return self.open_runs[number % len(self.open_runs)]

    # Runs come, change and go.

    @initialize()
    def begin(self):
        self.register(SINK, {"a", "b"}, timedelta(days=300))
        self.register(SINGLE, {"a"}, timedelta(days=300))

    @rule(sink=st.sampled_from(SINKS), follows=st.sets(TASK_IDS), lifetime=LIFETIMES)
    @precondition(lambda self: len(self.all_runs) < 4)
    def register(self, sink, follows, lifetime):
        wanted = {"sink": sink, "retry": RETRY, "lifetime": lifetime}
        run_id, keys = self.service.register(*sorted(follows), **wanted)
        self.all_runs.append(Known(run_id, keys, set(follows)))

    @rule(number=NUMBERS, task_id=TASK_IDS)
    @precondition(lambda self: self.open_runs)
    def join(self, number, task_id):
        run = self.one(number)
        self.service.join(run.id, task_id)
        run.follows.add(task_id)

    @rule(number=NUMBERS, call=st.sampled_from(["pause", "resume", "rotate", "rotate at once"]))
    @precondition(lambda self: self.open_runs)
    def owner_asks(self, number, call):
        run, registrar = self.one(number), self.service.registrar
        with suppress(Conflict):
            if call.startswith("rotate"):
                overlap = timedelta(seconds=0 if "at once" in call else 60)
                run.keys = registrar.rotate(OWNER, run.id, overlap)
            else:
                getattr(registrar, call)(OWNER, run.id)

    @rule(number=NUMBERS, sink=st.sampled_from(SINKS))
    @precondition(lambda self: self.open_runs)
    def change_the_sink(self, number, sink):
        run = self.one(number)
        self.service.registrar.change(OWNER, run.id, {"sink": sink})
        if isinstance(sink, NoSink):
            # Who pulls may read what it wants again.
            run.asked_again.clear()

    @rule(number=NUMBERS, task_ids=st.none() | st.sets(TASK_IDS), ago=st.sampled_from([None, 5]))
    @precondition(lambda self: self.open_runs)
    def redeliver(self, number, task_ids, ago):
        run, registrar = self.one(number), self.service.registrar
        since = ago and self.service.clock.now() - timedelta(seconds=ago)
        with suppress(Conflict):
            named = None if task_ids is None else tuple(sorted(task_ids))
            registrar.redeliver(OWNER, run.id, Rewind(since, named))
            run.asked_again += [
                (task_id, update.seq, len(self.receivers.taken[run.id]))
                for task_id in run.follows & set(TASKS if named is None else named)
                for update in self.service.task(task_id).history
                if since is None or update.at >= since
            ]

    @rule(number=NUMBERS, task_id=TASK_IDS, at=st.integers(0, 2))
    @precondition(lambda self: len(self.open_runs) > 1)
    def delete(self, number, task_id, at):
        """It may be that a callback for it is under way."""
        run = self.one(number)
        delete = Fuse(at, meanwhile=lambda: self.service.registrar.delete(OWNER, run.id))
        with suppress(Unknown):
            self.call_back_through(delete, run, task_id, State.RUNNING)
        self.end(run)

    @rule(
        number=NUMBERS,
        call=st.sampled_from(CALLS),
        task_id=TASK_IDS,
        at=st.integers(0, 8),
        after_effect=st.booleans(),
    )
    @precondition(lambda self: self.open_runs)
    def ask_again_what_failed(self, number, call, task_id, at, after_effect):
        """The store is down for a moment, at any call; whoever was told so asks once more."""
        run, sink = self.one(number), SINK
        down = Fuse(at, after_effect, Unavailable("down"))
        registrar = self.service.new_registrar(down)
        with suppress(Unavailable, Conflict):
            if call == "register":
                registrar.register(OWNER, Registration(sink=sink, tasks=[NamedTask(task_id)]))
            elif call == "join":
                registrar.add_tasks(OWNER, run.id, [NamedTask(task_id)])
            elif call == "redeliver":
                registrar.redeliver(OWNER, run.id, Rewind(None, (task_id,)))
            elif call == "sink":
                registrar.change(OWNER, run.id, {"sink": sink})
            elif call == "rotate":
                # The answer is lost, and with it the keys; those from before are good for a while.
                registrar.rotate(OWNER, run.id, timedelta(seconds=60))
            else:
                getattr(registrar, call)(OWNER, run.id)
        self.ask_once_more(number, call, task_id)

    def ask_once_more(self, number: int, call: str, task_id: str) -> None:
        if call == "register":
            # The other one, if there is one, is nobody's, and is told as well.
            if len(self.all_runs) < 4:
                self.register(SINK, {task_id}, timedelta(days=300))
        elif call == "join":
            self.join(number, task_id)
        elif call == "redeliver":
            self.redeliver(number, {task_id}, None)
        elif call == "sink":
            self.change_the_sink(number, SINK)
        else:
            self.owner_asks(number, call)

    def end(self, run: Known) -> None:
        run.taken_at_end = len(self.receivers.taken[run.id])

    # News comes.

    @rule(number=NUMBERS, task_id=TASK_IDS, states=st.lists(STATES, min_size=1, max_size=4))
    @precondition(lambda self: self.all_runs)
    def call_back(self, number, task_id, states):
        """Also with the tokens of runs that are over."""
        run = self.all_runs[number % len(self.all_runs)]
        for state in states:
            before = self.known(task_id)
            try:
                self.service.call_back(run.keys, task_id, state)
            except Unknown:
                assert run.is_over
                continue
            assert not run.is_over
            run.follows.add(task_id)
            after = self.service.task(task_id)
            if before.state.is_final or state is State.UNKNOWN:
                assert after.history == before.history
            else:
                assert after.state is state

    @rule(number=NUMBERS, task_id=TASK_IDS, state=STATES, at=st.integers(0, 3), lost=st.booleans())
    @precondition(lambda self: self.open_runs)
    def call_back_while_the_store_is_down_for_a_moment(self, number, task_id, state, at, lost):
        down = Fuse(at, lost, Unavailable("down"))
        run = self.one(number)
        with suppress(Unavailable):
            self.call_back_through(down, run, task_id, state)
        # It may have been taken although nobody could say so.
        if run.id in self.known(task_id).runs:
            run.follows.add(task_id)

    def call_back_through(self, fuse: Fuse, run: Known, task_id: str, state: State) -> None:
        service = self.service
        tasks, runs = fuse.protect(service.tasks), fuse.protect(service.runs)
        recorder = Recorder(tasks, service.doorbell, service.waiters)
        receiver = Receiver(runs, tasks, recorder, service.clock)
        receiver.receive(Callback(run.keys.token, task_id, state))

    def known(self, task_id: str) -> Task:
        return self.service.tasks.load([key(task_id)]).get(key(task_id), Task(key(task_id)))

    # The server does what it does, and is asked how its tasks stand.

    @rule(task_id=TASK_IDS, state=STATES)
    def the_server_moves_on(self, task_id, state):
        if state is not State.UNKNOWN and not self.tes.states[task_id].is_final:
            self.tes.states[task_id] = state

    @rule(race=RACES, task_id=TASK_IDS, state=STATES, pause=PAUSES, moves=STATES)
    @precondition(lambda self: self.open_runs)
    def poll(self, race, task_id, state, pause, moves):
        """A callback may come, or another look, at any call of a port."""
        what, at, after_effect = race
        self.pass_time(pause)
        self.the_server_moves_on(task_id, moves)
        fuse = Fuse(at, after_effect, meanwhile=lambda: self.race(what, task_id, state))
        self.new_worker(fuse).look()
        self.check_that_no_older_answer_was_believed()

    @rule(at=st.integers(0, 12), after_effect=st.booleans(), is_killed=st.booleans())
    def poll_in_vain(self, at, after_effect, is_killed):
        """The worker is killed, or finds no database for a moment."""
        fuse = Fuse(at, after_effect, None if is_killed else Unavailable("down"))
        with suppress(Crashed, Unavailable):
            self.new_worker(fuse).look()

    @rule(race=RACES, task_id=TASK_IDS, state=STATES)
    @precondition(lambda self: self.open_runs)
    def read_through_the_gateway(self, race, task_id, state):
        what, at, after_effect = race
        fuse = Fuse(at, after_effect, meanwhile=lambda: self.race(what, task_id, state))
        self.read(task_id, fuse)
        self.check_that_no_older_answer_was_believed()

    def read(self, task_id: str, fuse: Fuse) -> None:
        tasks, tes = fuse.protect(self.service.tasks), fuse.protect(self.tes)
        known = tasks.load([key(task_id)]).get(key(task_id), Task(key(task_id)))
        asked_at = self.service.clock.now()
        reply = tes.ask(self.service.servers.find(DEFAULT_SERVER), Question(f"/tasks/{task_id}"))
        seen = State(json.loads(reply.body)["state"])
        sighting = Sighting(key(task_id), seen, known.seq, asked_at, Source.GATEWAY)
        recorder = Recorder(tasks, self.service.doorbell, self.service.waiters)
        Observer(recorder, self.service.clock).observe([sighting])

    def race(self, what: str, task_id: str, state: State) -> None:
        if what == "callback":
            seq = self.known(task_id).seq
            with suppress(Unknown, IndexError):
                self.service.call_back(self.open_runs[0].keys, task_id, state)
                self.open_runs[0].follows.add(task_id)
            if self.known(task_id).seq > seq:
                self.raced = task_id, seq + 1, self.tes.asked
        elif what == "the server moves on":
            self.the_server_moves_on(task_id, state)
        elif what == "another polls":
            self.worker.look()
        elif what == "another reads":
            self.read(task_id, Fuse())
        else:
            self.pass_time(HOLD.total_seconds())
            self.worker.look()

    def check_that_no_older_answer_was_believed(self) -> None:
        """A callback that moved a task is the latest news if nobody has asked since."""
        if self.raced and self.raced[2] == self.tes.asked:
            assert self.known(self.raced[0]).seq == self.raced[1]
        self.raced = None

    def new_worker(self, fuse: Fuse) -> Reconciler:
        service, tasks = self.service, fuse.protect(self.service.tasks)
        recorder = Recorder(tasks, service.doorbell, service.waiters)
        means = Means(
            fuse.protect(self.tes),
            fuse.protect(service.servers),
            tasks,
            Observer(recorder, service.clock),
            service.clock,
            chance=lambda: 0.5,
            terms=TERMS,
        )
        return Reconciler(means, inline)

    # Workers tell it, or die over it.

    @rule()
    def answer_the_doorbell(self):
        self.service.deliver()

    @rule(number=NUMBERS, work=WORK)
    @precondition(lambda self: self.open_runs)
    def work(self, number, work):
        """News comes and is told, by workers to whom all sorts of things happen."""
        run = self.one(number)
        for mood, news, fate, pause in work:
            if not run.is_over:
                self.receivers.moods[run.id] = mood
                if self.service.run(run.id).status is RunStatus.GONE:
                    self.service.registrar.resume(OWNER, run.id)
                self.come(news)
                self.meet(run, *fate, news)
                self.pass_time(pause)

    def come(self, news: Sequence[str]) -> None:
        for task_id in news:
            known = self.known(task_id)
            states = [State.QUEUED, State.RUNNING, State.COMPLETE]
            others = [state for state in states if state is not known.state]
            # More than a task keeps of its history would be another story.
            if known.seq < HISTORY_LIMIT - 20:
                self.tes.states[task_id] = others[len(news) % 2]
                self.service.read_truth(task_id, self.tes.states[task_id])

    def meet(self, run: Known, fate: str, at: int, after_effect: bool, news: Sequence[str]) -> None:
        ends_soon = not self.service.run(run.id).is_open(self.service.clock.now() + LEASE)

        def go_on_without_it() -> None:
            if fate == "thought dead":
                self.pass_time(LEASE.total_seconds())
            self.come(news)
            self.service.deliver(run.id, holder="another")

        error = Unavailable("down") if fate == "outage" else None
        meanwhile = None if fate in {"killed", "outage"} else go_on_without_it
        if fate == "none" or (fate == "thought dead" and (ends_soon or self.is_rewinding)):
            at = -1
        with suppress(Crashed, Unavailable):
            fuse = Fuse(at, after_effect, error, meanwhile)
            self.service.deliver(run.id, fuse=fuse)

    @property
    def is_rewinding(self) -> bool:
        """A mark that comes after a rewind undoes it: whoever asks for one while a worker has
        stalled for longer than its lease may have to ask again.
        """
        return any(self.service.run(run.id).rewind for run in self.open_runs)

    # Time passes, and messages are lost.

    @rule(seconds=st.sampled_from([0.001, 5, LEASE.total_seconds(), 60, 3600]))
    def pass_time(self, seconds):
        now = self.service.clock.advance(seconds)
        for run in self.open_runs:
            if not self.service.run(run.id).is_open(now):
                self.end(run)

    @rule(what=st.sampled_from(["sweep", "expire", "lose all messages"]))
    def tick(self, what):
        if what == "expire":
            self.service.expirer.expire()
        elif what == "sweep":
            self.service.sweeper.sweep()
            self.service.deliver()
        else:
            self.service.doorbell.answer()

    @rule(at=st.integers(0, 12), after_effect=st.booleans(), is_killed=st.booleans())
    def tick_in_vain(self, at, after_effect, is_killed):
        """The worker that sweeps, or takes runs apart, is killed, or finds no database."""
        fuse = Fuse(at, after_effect, None if is_killed else Unavailable("down"))
        service = self.service
        tasks, runs, log = map(fuse.protect, (service.tasks, service.runs, service.delivery_log))
        retention = Retention(tasks=timedelta(days=30), deliveries=timedelta(days=7))
        with suppress(Crashed, Unavailable):
            Sweeper(tasks, runs, service.doorbell, service.clock).sweep()
            expirer = Expirer(tasks, runs, log, service.clock, retention)
            expirer.expire()
            expirer.forget()

    @rule(hours=st.sampled_from([-1, 1]))
    def the_clock_is_set(self, hours):
        # Else one that is over would come to life again.
        self.tick("expire")
        self.pass_time(3600 * hours)
        self.set_back += max(0, -3600 * hours)

    # What is true at any time.

    @invariant()
    def updates_are_counted_one_by_one(self):
        for task_id in TASKS:
            task = self.known(task_id)
            assert [update.seq for update in task.history] == list(range(1, task.seq + 1))

    @invariant()
    def what_a_run_takes_of_a_task_comes_in_order(self):
        """Repeats apart, and what it was not to be told any more and asked for again."""
        for run in self.all_runs:
            given_up = {
                (item.key.task_id, item.update.seq) for item in self.receivers.given_up[run.id]
            }
            for task_id in TASKS:
                seqs = dict.fromkeys(self.taken(run, task_id))
                new = [seq for seq in seqs if (task_id, seq) not in given_up]
                assert new == sorted(new)

    @invariant()
    def whoever_is_not_owed_an_update_took_or_refused_it(self):
        for run in self.open_runs:
            if not isinstance(self.service.run(run.id).sink, NoSink):
                for task_id in run.follows:
                    task = self.known(task_id)
                    assert run.id in task.owed or self.settled(run, task_id) == seqs_of(task)

    @invariant()
    def who_is_over_is_told_nothing_more(self):
        for run in self.all_runs:
            if run.is_over:
                assert len(self.receivers.taken[run.id]) == run.taken_at_end

    def taken(self, run: Known, task_id: str, begin: int = 0) -> list[int]:
        items = self.receivers.taken[run.id][begin:]
        return [item.update.seq for item in items if item.key.task_id == task_id]

    def buried(self, run: Known, task_id: str) -> set[int]:
        return {
            letter.item.update.seq
            for letter in self.service.delivery_log.letters
            if letter.run_id == run.id and letter.item.key.task_id == task_id
        }

    def settled(self, run: Known, task_id: str) -> set[int]:
        return {*self.taken(run, task_id), *self.buried(run, task_id)}

    # What is true in the end.

    def teardown(self):
        """Everything heals: then all is told, and every run believes what the server says."""
        self.receivers.moods.clear()
        for task_id in TASKS:
            self.the_server_moves_on(task_id, State.COMPLETE)
        self.pass_time(self.set_back)
        for _ in range(3):
            # Whoever holds the server may be dead, and tasks may have been quiet for long.
            self.pass_time(LONGEST_BACKOFF.total_seconds())
            self.worker.look()
        for run in self.open_runs:
            self.service.registrar.resume(OWNER, run.id)
        # Whatever was in the broker is lost, and the leases of dead workers run out.
        self.tick("lose all messages")
        self.pass_time(LEASE.total_seconds())
        for _ in range(3):
            self.tick("sweep")
        self.tick("expire")
        assert self.service.tasks.creditors() == set()
        for run in self.open_runs:
            self.check_that_it_was_told_everything(run)
        for run in self.all_runs:
            assert self.service.runs.missing([run.id]) == ({run.id} if run.is_over else set())
        self.what_a_run_takes_of_a_task_comes_in_order()
        self.who_is_over_is_told_nothing_more()

    def check_that_it_was_told_everything(self, run: Known) -> None:
        for task_id in run.follows:
            task = self.known(task_id)
            assert task.state is State.COMPLETE
            assert run.id in task.runs
            if not isinstance(self.service.run(run.id).sink, NoSink):
                assert self.settled(run, task_id) == seqs_of(task)
        for task_id, seq, begin in run.asked_again:
            assert seq in self.taken(run, task_id, begin) or seq in self.buried(run, task_id)


def seqs_of(task: Task) -> set[int]:
    return {update.seq for update in task.history}


Promises.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestPromises: Any = Promises.TestCase
