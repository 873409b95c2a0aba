"""What a former release left behind: its data, and its side of the books."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.processes import Database
from tests.faults.records import Attempt, Delivery, Stored, Told
from tests.upgrade.old_data import load

DATABASE = "callback-service"
# Before anything that happens in this run.
_BEFORE = 0.0


class FormerDatabase(Database):
    """Holds what a former release wrote, before any process of this one sees it.

    `sinks`: where the receivers of some runs are now, by the names of the runs. There are
    `copies` of each task besides, for there are only a few.
    """

    def __init__(self, folder: Path, sinks: Mapping[str, str], copies: int) -> None:
        super().__init__(folder)
        self.left: dict[str, Any] = {}
        self.tasks: Sequence[Mapping[str, Any]] = ()
        self.secrets: dict[str, str] = {}
        self._sinks = sinks
        self._copies = copies

    def start(self) -> None:
        super().start()
        if not self.left:
            with self.client() as client:
                self._fill(client[DATABASE])

    def _fill(self, database: Any) -> None:
        self.left = load(database)
        tasks = list(database["tasks"].find())
        copies = [_copy(task, n) for task in tasks for n in range(1, self._copies + 1)]
        if copies:
            database["tasks"].insert_many(copies)
        self.tasks = [*tasks, *copies]
        for name, url in self._sinks.items():
            run = {"_id": self.left["runs"][name]}
            database["runs"].update_one(run, {"$set": {"sink.url": url}})
            self.secrets[name] = database["runs"].find_one(run)["secrets"][0]["value"]


def _copy(task: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {
        **task,
        "_id": f"{task['_id']}-{number:04d}",
        "task_id": f"{task['task_id']}-{number:04d}",
    }


def attempts_of(stored: Sequence[Stored]) -> Iterator[Attempt]:
    """It acknowledged what it has stored."""
    for one in stored:
        for run in one.runs:
            for move in one.history:
                yield Attempt(run, one.task, move.state, _BEFORE, _BEFORE, 204)


def deliveries_of(stored: Sequence[Stored]) -> Iterator[Delivery]:
    """What it told, by its own account."""
    for one in stored:
        for run, seq in one.delivered.items():
            told = (Told(one.task, move.seq, move.state) for move in one.history if move.seq <= seq)
            yield Delivery(_BEFORE, run, f"before {one.task}", 204, True, tuple(told))
