import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callback_service.domain.errors import CursorExpired, InvalidInput, Unavailable, Unknown
from callback_service.domain.feed import SEEN_LIMIT, SETTLING
from callback_service.domain.run import Run
from callback_service.domain.server import Server
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay import updates
from callback_service.relay.ports import Change
from callback_service.relay.record import run_topic, task_topic
from callback_service.relay.servers import ServerRegistry
from callback_service.relay.updates import Reader
from callback_service.relay.watch import Watch
from tests.fakes.clock import START, FakeClock
from tests.fakes.store import FakeRuns, FakeServers, FakeTasks

RETENTION = timedelta(days=30)
RUN = Run("r1", "local", "tesk", created_at=START, expires_at=START + RETENTION)
QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
# The longest that a write may take from its stamp until others see it.
LATEST = SETTLING - timedelta(milliseconds=1)

Decision = Callable[[Task], Task]
Shown = tuple[TaskKey, int]


def key(number: int) -> TaskKey:
    return TaskKey("local", "tesk", f"task-{number:04}")


def move(at: datetime) -> Decision:
    """Into another state than the one that it is in, whichever that is."""
    return lambda task: task.hear(QUEUED if task.state is RUNNING else RUNNING, Source.CALLBACK, at)


def join(run_id: str, at: datetime) -> Decision:
    return lambda task: task.join(run_id, at, quiet=True)


@dataclass
class Feed:
    """The feed of the run r1, and what its reader was shown so far."""

    clock: FakeClock = field(default_factory=FakeClock)
    tasks: FakeTasks = field(default_factory=FakeTasks)
    runs: FakeRuns = field(default_factory=FakeRuns)
    cursor: str | None = None
    shown: list[Shown] = field(default_factory=list)

    def __post_init__(self):
        self.runs.add(RUN)
        self.watch = Watch(self.tasks, self.clock)
        self.servers = FakeServers()
        registry = ServerRegistry(self.servers, self.clock)
        self.reader = Reader(self.tasks, self.runs, self.watch, self.clock, RETENTION, registry)

    def change(self, numbers: Iterable[int], *decisions: Decision) -> None:
        keys = [key(number) for number in numbers]
        known = self.tasks.load(keys)
        changes = []
        for one in keys:
            after = known.get(one, Task(one))
            for decide in decisions:
                after = decide(after)
            changes.append(Change(known.get(one), after))
        assert self.tasks.save(changes) == set()

    def read(self, limit: int, wait: float = 0) -> list[Shown]:
        """One page; the next begins behind it."""
        page = self.reader.updates(RUN, self.cursor, limit, wait)
        self.cursor = page.cursor
        items = [(item.key, item.update.seq) for item in page.items]
        self.shown += items
        return items

    def read_on(self, limit: int) -> list[Shown]:
        """Pages until there is one without updates."""
        items = []
        while page := self.read(limit):
            items += page
        return items

    @property
    def all_updates(self) -> list[Shown]:
        return [
            (task.key, update.seq)
            for task in self.tasks.of_run(RUN.id, None, 10_000)
            for update in task.history
        ]


@pytest.fixture
def feed() -> Feed:
    return Feed()


@dataclass(frozen=True)
class Act:
    """A write of some tasks, `late` milliseconds after its stamp; or a look at one page."""

    kind: str
    after: int
    late: int
    first: int
    count: int
    limit: int


ACTS = st.lists(
    st.builds(
        Act,
        kind=st.sampled_from(["move", "move", "join", "join another", "read", "read"]),
        after=st.sampled_from([0, 1, 400, 2999, 3000, 3001]),
        late=st.sampled_from([0, 0, 1, 2000, LATEST // timedelta(milliseconds=1)]),
        first=st.integers(0, 6),
        count=st.sampled_from([1, 1, 3, SEEN_LIMIT + 20]),
        limit=st.sampled_from([1, 2, 5, 100, 1000]),
    ),
    max_size=16,
)
BURST = SEEN_LIMIT + 20


class TestReadingOn:
    @given(acts=ACTS, limit=st.sampled_from([7, 100, 1000]))
    # What was not read yet of a task must not be passed over because the task moved away.
    @example(
        acts=[
            Act("join", 0, 0, 0, 3, 0),
            Act("move", 1, 0, 0, 1, 0),
            Act("move", 1, 0, 1, 1, 0),
            Act("move", 1, 0, 2, 1, 0),
            Act("read", 9000, 0, 0, 0, 1),
            Act("move", 1, 0, 1, 1, 0),
            Act("read", 1, 0, 0, 0, 1),
        ],
        limit=7,
    )
    # More than a cursor remembers, and among it a change that becomes visible late.
    @example(
        acts=[
            Act("join", 0, 0, 0, BURST + 1, 0),
            Act("move", 4000, 2000, BURST, 1, 0),
            Act("move", 1, 0, 0, BURST, 0),
            Act("read", 1, 0, 0, 0, 1000),
        ],
        limit=1000,
    )
    # A page of tasks of which there is nothing to show is not the end.
    @example(
        acts=[
            Act("join", 0, 0, 0, 20, 0),
            Act("move", 1, 0, 0, 20, 0),
            Act("read", 4000, 0, 0, 0, 100),
            Act("join another", 1, 0, 0, 19, 0),
            Act("move", 4000, 0, 19, 1, 0),
        ],
        limit=7,
    )
    @settings(deadline=None, max_examples=60)
    def test_whoever_reads_on_is_shown_every_update_however_writes_and_looks_interleave(
        self, acts, limit
    ):
        feed, stamp, visible = Feed(), START, []
        for order, act in enumerate(acts):
            stamp += timedelta(milliseconds=act.after)
            is_read = act.kind == "read"
            late = timedelta(milliseconds=0 if is_read else act.late)
            visible.append((stamp + late, order, stamp, act))
        for seen_at, _, stamped_at, act in sorted(visible, key=lambda one: one[:2]):
            feed.clock.advance((seen_at - feed.clock.now()).total_seconds())
            numbers = range(act.first, act.first + act.count)
            if act.kind == "move":
                feed.change(numbers, move(stamped_at))
            elif act.kind == "join":
                feed.change(numbers, join("r1", stamped_at))
            elif act.kind == "join another":
                feed.change(numbers, join("r2", stamped_at))
            else:
                feed.read(act.limit)
        feed.clock.advance(SETTLING.total_seconds())
        feed.read_on(limit)
        first_time = list(dict.fromkeys(feed.shown))
        assert sorted(first_time) == sorted(feed.all_updates)
        assert [seq for _, seq in sorted(first_time, key=lambda shown: shown[0])] == [
            seq for _, seq in sorted(first_time)
        ]

    def test_who_keeps_up_is_shown_everything_once(self, feed):
        feed.change(range(20), join("r1", START))
        for turn in range(30):
            feed.change(range(turn % 20, 20), move(feed.clock.advance(0.7)))
            feed.read_on(100)
        assert len(feed.shown) == len(set(feed.shown))
        assert set(feed.shown) == set(feed.all_updates)

    def test_more_than_a_cursor_remembers_is_shown_when_the_rest_has_settled(self, feed):
        feed.change(range(BURST), join("r1", START), move(START))
        assert len(feed.read_on(1000)) == SEEN_LIMIT
        feed.clock.advance(SETTLING.total_seconds())
        assert len(feed.read_on(1000)) == BURST - SEEN_LIMIT
        assert len(feed.shown) == len(set(feed.shown))

    def test_what_becomes_visible_while_the_store_is_asked_is_not_passed(self, feed):
        """The look takes a while: only what had settled before it has settled."""
        feed.change([0], join("r1", START), move(START))
        feed.change([1], join("r1", START))
        late = feed.clock.advance(1)
        feed.change([2], join("r1", late), move(feed.clock.advance(0.1)))
        looks = feed.tasks.changed_for

        def slowly(*arguments):
            found = looks(*arguments)
            feed.clock.advance(SETTLING.total_seconds())
            return found

        feed.tasks.changed_for = slowly
        feed.read(10)
        feed.tasks.changed_for = looks
        feed.change([1], move(late))
        assert feed.read(10) == [(key(1), 1)]

    def test_another_runs_updates_are_not_shown(self, feed):
        feed.change([0], join("r2", START), move(START))
        assert feed.read_on(10) == []

    def test_an_empty_feed_has_a_cursor_too(self, feed):
        assert feed.read(10) == []
        feed.change([0], join("r1", START), move(feed.clock.advance(1)))
        assert feed.read(10) == [(key(0), 1)]


class TestCursors:
    @pytest.mark.parametrize("cursor", ["x", "ü", "====", "AAAA" * 50, "../../etc", "\x00"])
    def test_what_is_no_cursor_is_said_to_be_none(self, feed, cursor):
        with pytest.raises(InvalidInput, match="not a cursor"):
            feed.reader.updates(RUN, cursor, 10)

    def test_an_empty_one_begins_at_the_start(self, feed):
        feed.change([0], join("r1", START), move(START))
        assert len(feed.reader.updates(RUN, "", 10).items) == 1

    def test_one_that_points_before_what_is_kept_has_expired(self, feed):
        feed.change([0], join("r1", START), move(START))
        feed.clock.advance(10)
        feed.read(10)
        feed.clock.advance(RETENTION.total_seconds() - 10)
        assert feed.read(10) == []
        feed.clock.advance(0.001)
        with pytest.raises(CursorExpired, match="list again"):
            feed.read(10)


class TestWaiting:
    def test_what_is_there_is_shown_without_waiting(self, feed):
        feed.change([0], join("r1", START), move(START))
        assert feed.read(10, wait=60) == [(key(0), 1)]

    def test_who_waits_is_shown_what_comes(self, feed):
        feed.change([0], join("r1", START))

        def come() -> None:
            feed.change([0], move(START))
            feed.watch.notify([run_topic("r1")])

        _soon(come)
        assert feed.read(10, wait=60) == [(key(0), 1)]

    def test_what_another_process_wrote_is_found_too(self, feed):
        feed.change([0], join("r1", START))
        _soon(lambda: feed.change([0], move(START)))
        assert feed.read(10, wait=60) == [(key(0), 1)]

    def test_who_waits_in_vain_is_shown_nothing_when_the_time_is_over(self, feed):
        assert feed.read(10, wait=0.02) == []

    def test_a_store_that_is_down_is_said_to_be(self, feed):
        feed.tasks.is_down = True
        with pytest.raises(Unavailable):
            feed.read(10, wait=60)

    def test_a_stream_goes_on_and_says_now_and_then_that_it_is_there(self, feed, monkeypatch):
        monkeypatch.setattr(updates, "HEARTBEAT", 0.02)
        feed.change([0], join("r1", START), move(START))
        first, second, third = islice(feed.reader.stream(RUN, None, 10), 3)
        assert [item.key for item in first.items] == [key(0)]
        assert (second.items, third.items) == ([], [])

    def test_a_stream_ends_with_its_run(self, feed):
        feed.change([0], join("r1", START), move(START))
        pages = feed.reader.stream(RUN, None, 10)
        assert next(pages).items
        feed.runs.remove("r1")
        assert list(pages) == []

    def test_a_stream_ends_with_its_process(self, feed):
        feed.change([0], join("r1", START), move(START))
        pages = feed.reader.stream(RUN, None, 10)
        assert next(pages).items
        feed.reader.watch.stop()
        assert list(pages) == []


class TestOneTask:
    def test_it_is_shown_with_its_history(self, feed):
        feed.change([0], move(START), move(START))
        task = feed.reader.task(key(0), None)
        assert [update.state for update in task.history] == [RUNNING, QUEUED]

    def test_one_that_is_unknown_is_said_to_be_without_waiting(self, feed):
        with pytest.raises(Unknown, match="task-0000"):
            feed.reader.task(key(0), RUNNING, wait=60)

    def test_who_knows_its_state_waits_for_another(self, feed):
        feed.change([0], move(START))

        def come() -> None:
            feed.change([0], move(START))
            feed.watch.notify([task_topic(key(0))])

        _soon(come)
        assert feed.reader.task(key(0), RUNNING, wait=60).state is QUEUED

    @pytest.mark.parametrize("known", [None, QUEUED, COMPLETE])
    def test_who_does_not_is_answered_at_once(self, feed, known):
        feed.change([0], move(START))
        assert feed.reader.task(key(0), known, wait=60).state is RUNNING

    def test_when_the_time_is_over_the_answer_is_the_state_that_it_has(self, feed):
        feed.change([0], move(START))
        assert feed.reader.task(key(0), RUNNING, wait=0.02).state is RUNNING


def test_states_are_told_of_the_tasks_that_are_known(feed):
    feed.change([0], move(START))
    assert feed.reader.states([key(0), key(1)]) == {key(0): RUNNING}


def _soon(work: Callable[[], None]) -> None:
    threading.Timer(0.02, work).start()


def test_who_waits_for_a_task_lets_its_server_be_asked():
    feed = Feed()
    feed.servers.add(Server(RUN.server, "https://tes.example.org", START))
    feed.change([1], move(START))
    task = key(1)
    state = feed.reader.task(task, None).state
    assert not feed.servers.find(RUN.server).polling.is_waited(feed.clock.now())
    feed.reader.task(task, state, wait=0.01)
    assert feed.servers.find(RUN.server).polling.is_waited(feed.clock.now())


def test_who_would_ask_often_has_it_asked_as_often_as_who_asks_at_the_gateway():
    feed = Feed()
    feed.servers.add(Server(RUN.server, "https://tes.example.org", START))
    feed.change([1], move(START))
    task, state = key(1), feed.reader.task(key(1), None).state

    def is_wanted():
        return feed.servers.find(RUN.server).polling.is_wanted(feed.clock.now())

    feed.reader.task(task, state, often=True)
    # One that does not wait lets nobody be asked.
    assert not is_wanted()
    feed.reader.task(task, state, wait=0.01)
    assert not is_wanted()
    # Whoever else waits for the same server has said so a moment ago.
    feed.reader.task(task, state, wait=0.01, often=True)
    assert is_wanted()
