"""Whoever comes between, cwl-WES or a worker that was thought dead: the end is the same."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from callback_service.adapters.cwl_wes_sink.news import news_of
from callback_service.adapters.cwl_wes_sink.telling import RunLost, tell
from callback_service.domain.delivery import Item
from callback_service.domain.states import Source, State
from callback_service.domain.task import TaskKey, Update
from tests.adapters.cwl_wes import CwlWes, Document, states_in, task_log
from tests.adapters.receivers import NOW
from tests.ports import free_port
from tests.services import embedded_database, mongo_uri_at

INTERLEAVINGS = 1000
AT_ONCE = 200

PATHS = (
    (State.QUEUED, State.INITIALIZING, State.RUNNING, State.COMPLETE),
    (State.INITIALIZING, State.RUNNING, State.QUEUED, State.RUNNING, State.EXECUTOR_ERROR),
    (State.RUNNING, State.COMPLETE, State.RUNNING, State.COMPLETE),
    (State.QUEUED, State.CANCELED),
    (State.COMPLETE,),
)
Step = Callable[[], None]


class Raced:
    """A collection in which others write before each single thing that is asked of it."""

    def __init__(
        self,
        runs: Collection[Document],
        others: Step,
        look: Callable[[Document | None], None] = lambda _: None,
    ) -> None:
        self._runs = runs
        self._others = others
        self._look = look

    def find_one(self, *arguments: Any) -> Document | None:
        self._others()
        found = self._runs.find_one(*arguments)
        self._look(found)
        return found

    def bulk_write(self, writes: list[Any]) -> SimpleNamespace:
        matched = 0
        for write in writes:
            self._others()
            matched += self._runs.bulk_write([write]).matched_count
        return SimpleNamespace(matched_count=matched)


class Race:
    """A run at cwl-WES, what cwl-WES does to it in its order, and what we tell in ours."""

    def __init__(self, runs: Collection[Document], seed: int) -> None:
        self.chance = random.Random(seed)
        self.runs = runs
        self.wes = CwlWes(runs, f"R{seed}")
        self.first = self.chance.choice(["UNKNOWN", "QUEUED", "INITIALIZING"])
        self.paths = {
            f"t.{n}": self.chance.choice(PATHS) for n in range(self.chance.choice([1, 2]))
        }
        self.pushed: set[str] = set()
        self.empty = 0
        self.batches = self._batches()
        self.told: list[list[Item]] = []
        self.marks: dict[str, int] = {}
        self.is_started = self.is_canceling = False
        self.wes.create(self.first)
        self.theirs = self._steps_of_cwl_wes()

    def run(self) -> None:
        left = list(self.batches)
        while left:
            batch = left.pop(0)
            if left and self.chance.random() < 0.4:
                self._overtake(batch, left.pop(0))
            else:
                self._tell(batch)
                self.told.append(batch)
        while self.theirs:
            self._others()
            if self.chance.random() < 0.2:
                self._repeat()

    def look_again(self) -> None:
        """What the sender does some time after each end."""
        for batch in self.told:
            if ended := [one for one in news_of(batch) if one.state.is_final]:
                tell(self.runs, self.wes.run_id, ended)

    def _overtake(self, late: list[Item], newer: list[Item]) -> None:
        """A worker stops in the midst of telling, and goes on after another one has told more."""
        left = [late, newer]

        def another_worker() -> None:
            if left and self.chance.random() < 0.5:
                while left:
                    self.told.append(left.pop(0))
                    self._tell(self.told[-1])

        self._tell(late, another_worker)
        for one in left:
            self._tell(one)
            self.told.append(one)

    def check_marks(self, document: Document | None) -> None:
        """How far each task was told never falls, whoever of us looks."""
        marks = (document or {}).get("callback_service", {"told": {}})["told"]
        assert all(marks[mark] >= seq for mark, seq in self.marks.items())
        self.marks = marks

    def _tell(self, batch: list[Item], others: Step | None = None) -> None:
        raced: Any = Raced(self.runs, others or self._others, self.check_marks)
        tell(raced, self.wes.run_id, news_of(batch))

    def _others(self) -> None:
        while self.theirs and self.chance.random() < 0.4:
            self.theirs.pop(0)()
        if self.told and self.chance.random() < 0.1:
            self._repeat()

    def _repeat(self) -> None:
        """A worker that was thought dead tells again what it was about to."""

        def cwl_wes_only() -> None:
            if self.theirs and self.chance.random() < 0.3:
                self.theirs.pop(0)()

        self._tell(self.chance.choice(self.told), cwl_wes_only)

    def _batches(self) -> list[list[Item]]:
        """The updates of all tasks, those of each task in order, cut anywhere."""
        rows = {
            task_id: [item(task_id, number, path) for number in range(len(path))]
            for task_id, path in self.paths.items()
        }
        order = [task_id for task_id, row in rows.items() for _ in row]
        self.chance.shuffle(order)
        batches: list[list[Item]] = [[]]
        for task_id in order:
            batches[-1].append(rows[task_id].pop(0))
            if self.chance.random() < 0.6:
                batches.append([])
        return [batch for batch in batches if batch]

    def _steps_of_cwl_wes(self) -> list[Step]:
        rows = [self._steps_for(task_id, path) for task_id, path in self.paths.items()]
        order = [number for number, row in enumerate(rows) for _ in row]
        self.chance.shuffle(order)
        steps: list[Step] = [rows[number].pop(0) for number in order]
        if self.chance.random() < 0.3:
            # Its engine died on the way: who then still tells the truth is us.
            del steps[self.chance.randrange(len(steps)) :]
        if self.chance.random() < 0.2:
            steps.insert(self.chance.randrange(len(steps) + 1), self._cancel)
        return [self._start, *steps] if self.chance.random() < 0.8 else steps

    def _steps_for(self, task_id: str, path: tuple[State, ...]) -> list[Step]:
        seen = self.chance.randrange(len(path))
        # It misses what is over before its engine asks again, but never the end.
        later = [state for state in path[seen:-1] if self.chance.random() < 0.7]
        return [
            lambda: self._push(task_id, path[seen]),
            *(
                lambda state=state: self.wes.set_state(task_id, state)
                for state in [*later, path[-1]]
            ),
        ]

    def _push(self, task_id: str, state: State) -> None:
        if self.chance.random() < 0.1:
            self.empty += 1
            self.wes.push({})
            return
        self.pushed.add(task_id)
        self.wes.push(task_log(task_id, str(state)))

    def _start(self) -> None:
        self.is_started = True
        self.wes.start()

    def _cancel(self) -> None:
        self.is_canceling = True
        self.wes.be("CANCELING")

    @property
    def wanted_state(self) -> str:
        if self.is_canceling:
            return "CANCELING"
        return "RUNNING" if self.is_started or self.first != "UNKNOWN" else "UNKNOWN"


def item(task_id: str, number: int, path: tuple[State, ...]) -> Item:
    key = TaskKey("alice", "default", task_id)
    previous = path[number - 1] if number else State.UNKNOWN
    return Item(key, Update(number + 1, path[number], NOW, Source.POLL), previous)


def runs_in(database: Database[Document]) -> Collection[Document]:
    runs = database["runs"]
    # As cwl-WES has it.
    runs.create_index([("run_id", 1), ("task_id", 1)], unique=True, sparse=True)
    return runs


@pytest.fixture
def runs(mongo_database: Database[Document]) -> Collection[Document]:
    return runs_in(mongo_database)


@pytest.fixture
def own_runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collection[Document]]:
    """In a server of its own, unless one was given.

    After some 20,000 writes the embedded one takes ten times as long for each, even of databases
    that were made since, as long as it keeps a log of them for replicas. All tests that follow
    would feel it, too.
    """
    if os.environ.get("MONGO_URI"):
        yield runs_in(request.getfixturevalue("mongo_database"))
        return
    port = free_port()
    uri = mongo_uri_at(port)
    with embedded_database(tmp_path, port), MongoClient[Document](uri) as client:
        yield runs_in(client["cwl-wes-db"])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(0, INTERLEAVINGS, AT_ONCE))
def test_the_end_is_the_same_whoever_comes_between(
    own_runs: Collection[Document], first: int
) -> None:
    runs = own_runs
    for seed in range(first, first + AT_ONCE):
        race = Race(runs, seed)
        race.run()
        race.look_again()
        end = race.wes.document()
        race.check_marks(end)
        ends = {task_id: str(path[-1]) for task_id, path in race.paths.items()}
        logs = end["api"]["task_logs"]
        assert states_in(logs) == ends, f"seed {seed}"
        assert end["api"]["state"] == race.wanted_state, f"seed {seed}"
        whole = {log["id"] for log in logs if "executors" in log}
        assert whole == race.pushed, f"seed {seed}: a log of cwl-WES is lost"
        assert logs.count({}) == race.empty, f"seed {seed}"
        # cwl-WES selects by a field that has no index: what is left here slows all that follow.
        runs.delete_one({"run_id": race.wes.run_id})


@pytest.mark.parametrize("is_known", [False, True])
def test_a_worker_that_was_overtaken_writes_nothing(
    runs: Collection[Document], is_known: bool
) -> None:
    wes = CwlWes(runs)
    wes.create()
    if is_known:
        wes.push(task_log("t.1", "QUEUED"))
    path = (State.QUEUED, State.RUNNING, State.PAUSED)
    late, newer = ([item("t.1", number, path)] for number in (1, 2))
    asked: list[str] = []

    def overtake_before_the_write() -> None:
        asked.append("something")
        if len(asked) == 2:
            tell(runs, wes.run_id, news_of(newer))

    raced: Any = Raced(runs, overtake_before_the_write)
    tell(raced, wes.run_id, news_of(late))
    assert wes.states() == {"t.1": "PAUSED"}
    assert len(asked) == 3, "it has not looked again"


def test_an_end_that_cwl_wes_sets_just_before_we_write_is_not_taken_back(
    runs: Collection[Document],
) -> None:
    wes = CwlWes(runs)
    wes.create()
    wes.push(task_log("t.1", "QUEUED"))
    asked: list[str] = []

    def set_before_the_write() -> None:
        asked.append("something")
        if len(asked) == 2:
            wes.set_state("t.1", "EXECUTOR_ERROR")

    raced: Any = Raced(runs, set_before_the_write)
    tell(raced, wes.run_id, news_of([item("t.1", 1, PATHS[0]), item("t.2", 1, PATHS[0])]))
    assert wes.states() == {"t.1": "EXECUTOR_ERROR", "t.2": "INITIALIZING"}


def test_an_end_that_cwl_wes_sets_in_our_log_is_not_tidied_away(
    runs: Collection[Document],
) -> None:
    wes = CwlWes(runs)
    wes.create()
    path = (State.QUEUED, State.RUNNING, State.COMPLETE)
    tell(runs, wes.run_id, news_of([item("t.1", 0, path)]))
    wes.push(task_log("t.1", "QUEUED"))
    asked: list[str] = []

    def set_before_it_is_tidied() -> None:
        asked.append("something")
        if len(asked) == 3:
            wes.set_state("t.1", "COMPLETE")

    raced: Any = Raced(runs, set_before_it_is_tidied)
    tell(raced, wes.run_id, news_of([item("t.1", 1, path)]))
    assert {log["state"] for log in wes.logs()} == {"RUNNING", "COMPLETE"}
    tell(runs, wes.run_id, news_of([item("t.1", 2, path)]))
    assert wes.logs() == [task_log("t.1", "COMPLETE")]


@pytest.mark.timeout(300)
def test_a_run_that_ends_meanwhile_is_as_cwl_wes_left_it(own_runs: Collection[Document]) -> None:
    runs = own_runs
    for seed in range(100):
        race = Race(runs, seed)
        logs = [task_log(task_id, str(path[-1])) for task_id, path in race.paths.items()]
        race.theirs.append(partial(race.wes.complete, *logs))
        with suppress(RunLost):
            race.run()
        while race.theirs:
            race.theirs.pop(0)()
        with pytest.raises(RunLost, match="has ended at cwl-WES: COMPLETE"):
            tell(runs, race.wes.run_id, news_of(race.batches[-1]))
        assert (race.wes.state(), race.wes.logs()) == ("COMPLETE", logs), f"seed {seed}"
        runs.delete_one({"run_id": race.wes.run_id})
