"""The tasks in MongoDB."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any, Final, TypeVar

from pymongo import UpdateMany, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError

from callback_service.adapters.mongo.changes import is_made, operation
from callback_service.adapters.mongo.connection import CHUNK, Connection
from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents.task import (
    OUTLINE,
    to_key,
    to_task,
    to_unsettled,
)
from callback_service.domain.freshness import Unsettled
from callback_service.domain.run import Rewind
from callback_service.domain.states import FINAL, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Change

T = TypeVar("T")

_LONGEST_UNCHANGED_FIRST = [("updated_at", 1), ("_id", 1)]
# A document was there already, or two writes met on one: both mean that somebody else was faster.
_LOST_RACES = {11000, 112}
_ENDED: Final = {"state": {"$in": [str(state) for state in FINAL]}}


class MongoTasks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks = connection.durable["tasks"]
        self._settled = connection.settled["tasks"]
        self._marks = connection.light["tasks"]

    def load(self, keys: Collection[TaskKey]) -> dict[TaskKey, Task]:
        with self._connection.guarded():
            return _load(self._tasks, keys)

    def save(self, changes: Sequence[Change]) -> set[TaskKey]:
        lost: set[TaskKey] = set()
        for chunk in _chunks(changes):
            with self._connection.guarded():
                if not self._write(chunk):
                    lost |= self._lost(chunk)
        return lost

    def _write(self, changes: Sequence[Change]) -> bool:
        """Whether all of it was written. Nobody says who lost, only that somebody did."""
        operations = [operation(change) for change in changes]
        try:
            result = self._tasks.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            if not _is_lost_race(error):
                raise
            return False
        return result.inserted_count + result.matched_count == len(operations)

    def _lost(self, changes: Sequence[Change]) -> set[TaskKey]:
        # What somebody else wrote counts as saved only once it is durable.
        stored = _load(self._settled, [change.after.key for change in changes])
        return {
            change.after.key
            for change in changes
            if not is_made(change, stored.get(change.after.key))
        }

    def states(self, keys: Collection[TaskKey]) -> dict[TaskKey, State]:
        wanted = {"owner": True, "server": True, "task_id": True, "state": True}
        with self._connection.guarded():
            found = self._tasks.find(_any_of(keys), wanted)
            return {to_key(document): State(document["state"]) for document in found}

    def owed_to(self, run_id: str, limit: int) -> list[Task]:
        return self._find({"owed": run_id}, _LONGEST_UNCHANGED_FIRST, limit)

    def mark_told(self, run_id: str, told: Mapping[TaskKey, int]) -> None:
        for chunk in _chunks(list(told.items())):
            with self._connection.guarded():
                by_seq = _by_seq(chunk)
                marks = [_mark(run_id, keys, seq) for seq, keys in by_seq.items()]
                settled = self._marks.bulk_write(marks, ordered=False).matched_count
                if settled < len(chunk):
                    # Something newer came to one of them: it was told this much, and is owed more.
                    marks = [_partial_mark(run_id, keys, seq) for seq, keys in by_seq.items()]
                    self._marks.bulk_write(marks, ordered=False)

    def rewind(self, run_id: str, rewind: Rewind) -> None:
        wanted = {"runs": run_id, "quiet": {"$ne": run_id}}
        if rewind.task_ids is not None:
            wanted["task_id"] = {"$in": list(rewind.task_ids)}
        after: str | None = None
        while tasks := self._find(_after(wanted, after), [("_id", 1)], CHUNK):
            self._bulk(
                [
                    _rewound(run_id, task.key, floor)
                    for task in tasks
                    if (floor := _floor(task, rewind.since)) is not None
                ]
            )
            after = str(tasks[-1].key)

    def creditors(self, skip: int = 0, limit: int = 500) -> set[str]:
        with self._connection.guarded():
            page = self._tasks.find({"owing": True}, {"owed": True}).skip(skip).limit(limit)
            owed = {task["_id"]: task["owed"] for task in page}
        self._strike_flag([key for key, run_ids in owed.items() if not run_ids])
        return {run_id for run_ids in owed.values() for run_id in run_ids}

    def _strike_flag(self, keys: Sequence[str]) -> None:
        for chunk in _chunks(keys):
            with self._connection.guarded():
                # Whoever is lent something at this moment keeps the flag, or gets it anew.
                paid = {"_id": {"$in": chunk}, "owed": []}
                self._marks.update_many(paid, {"$unset": {"owing": ""}})

    def leave(self, run_id: str) -> None:
        without = {
            "$pull": {"runs": run_id, "owed": run_id, "quiet": run_id},
            "$unset": {f"delivered.{run_id}": "", f"joined.{run_id}": ""},
            # A receiver that has read the task with the run on it must read it again.
            "$inc": {"rev": 1},
        }
        self._update_all({"runs": run_id}, without)

    def set_quiet(self, run_id: str, *, quiet: bool) -> None:
        if quiet:
            hushed = {"$addToSet": {"quiet": run_id}, "$pull": {"owed": run_id}, "$inc": {"rev": 1}}
            self._update_all({"runs": run_id, "quiet": {"$ne": run_id}}, hushed)
            return
        # Those that moved since they were read are still quiet, and found again.
        while tasks := self._find({"runs": run_id, "quiet": run_id}, [("_id", 1)], CHUNK):
            self._bulk([_pushed(run_id, task) for task in tasks])

    def of_run(self, run_id: str, after: str | None, limit: int) -> list[Task]:
        return self._find(_after({"runs": run_id}, after), [("_id", 1)], limit)

    def counts(self, run_id: str) -> tuple[dict[State, int], int]:
        by_state: list[Document] = [
            {"$match": {"runs": run_id}},
            {"$group": {"_id": "$state", "number": {"$sum": 1}}},
        ]
        with self._connection.guarded():
            groups = self._tasks.aggregate(by_state)
            counts = {State(group["_id"]): group["number"] for group in groups}
            return counts, self._tasks.count_documents({"owed": run_id})

    def last_change(self, run_id: str) -> datetime | None:
        newest_first = [("updated_at", -1), ("_id", -1)]
        with self._connection.guarded():
            found = self._tasks.find({"runs": run_id}, {"updated_at": True})
            last: Document | None = next(found.sort(newest_first).limit(1), None)
            return last["updated_at"] if last else None

    def changed_for(self, run_id: str, since: datetime, after: str, limit: int) -> list[Task]:
        # Two questions, each along an index; as one with alternatives it is a scan. So is
        # one that asks for `seq`: who never had an update is passed over here.
        at_once = {"runs": run_id, "updated_at": since, "_id": {"$gt": after}}
        later = {"runs": run_id, "updated_at": {"$gt": since}}
        with self._connection.guarded():
            found = chain.from_iterable(
                self._tasks.find(wanted).sort(_LONGEST_UNCHANGED_FIRST)
                for wanted in (at_once, later)
            )
            return list(islice((to_task(task) for task in found if task["seq"]), limit))

    def changed_since(self, since: datetime) -> list[tuple[TaskKey, int, tuple[str, ...]]]:
        wanted = {"owner": True, "server": True, "task_id": True, "rev": True, "runs": True}
        with self._connection.guarded():
            return [
                (to_key(document), document["rev"], tuple(document["runs"]))
                for document in self._tasks.find({"updated_at": {"$gte": since}}, wanted)
            ]

    def unsettled(self, server: str, limit: int) -> list[Unsettled]:
        with self._connection.guarded():
            found = self._tasks.find({"unsettled": server}, OUTLINE).limit(limit)
            return [to_unsettled(document) for document in found]

    def settle(self, keys: Collection[TaskKey]) -> None:
        for chunk in _chunks(list(keys)):
            with self._connection.guarded():
                ended = {**_any_of(chunk), **_ENDED}
                self._marks.update_many(ended, {"$unset": {"unsettled": ""}})

    def forget(self, before: datetime) -> int:
        # "Not since" rather than "before": some were never heard of, and have no time at all.
        old = {"$not": {"$gte": before}}
        return self._connection.delete_all(
            self._tasks,
            {
                "heard_at": old,
                "updated_at": old,
                "owed": [],
                # Whoever follows a task that is still under way waits for its end.
                "$or": [{"runs": []}, _ENDED],
            },
        )

    def _find(self, wanted: Document, order: list[tuple[str, int]], limit: int) -> list[Task]:
        with self._connection.guarded():
            return [
                to_task(document) for document in self._tasks.find(wanted).sort(order).limit(limit)
            ]

    def _update_all(self, matching: Document, update: Document) -> None:
        """Change in pieces all that match, after which they must no longer match."""
        while ids := self._connection.some_ids(self._tasks, matching):
            with self._connection.guarded():
                self._tasks.update_many({"_id": {"$in": ids}, **matching}, update)

    def _bulk(self, operations: Sequence[UpdateOne]) -> None:
        if operations:
            with self._connection.guarded():
                self._tasks.bulk_write(operations, ordered=False)


def _load(collection: MongoCollection[Document], keys: Collection[TaskKey]) -> dict[TaskKey, Task]:
    tasks = map(to_task, collection.find(_any_of(keys)))
    return {task.key: task for task in tasks}


def _any_of(keys: Collection[TaskKey]) -> Document:
    return {"_id": {"$in": [str(key) for key in keys]}}


def _after(wanted: Mapping[str, Any], key: str | None) -> Document:
    return {**wanted, "_id": {"$gt": key}} if key else dict(wanted)


def _chunks(values: Sequence[T]) -> Iterator[list[T]]:
    """Each is written within the time that a call has, however many there are."""
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _is_lost_race(error: BulkWriteError) -> bool:
    failures = error.details.get("writeErrors", [])
    return not error.details.get("writeConcernErrors") and all(
        failure["code"] in _LOST_RACES for failure in failures
    )


def _by_seq(told: Iterable[tuple[TaskKey, int]]) -> dict[int, list[str]]:
    """Tasks move alike: a few statements mark them all."""
    by_seq: dict[int, list[str]] = {}
    for key, seq in told:
        by_seq.setdefault(seq, []).append(str(key))
    return by_seq


def _mark(run_id: str, keys: Sequence[str], seq: int) -> UpdateMany:
    """The debt is paid only if nothing newer came: then `seq` is still what was told."""
    return UpdateMany(
        {"_id": {"$in": keys}, "runs": run_id, "seq": seq},
        {"$max": {f"delivered.{run_id}": seq}, "$pull": {"owed": run_id}},
    )


def _partial_mark(run_id: str, keys: Sequence[str], seq: int) -> UpdateMany:
    return UpdateMany(
        {"_id": {"$in": keys}, "runs": run_id}, {"$max": {f"delivered.{run_id}": seq}}
    )


def _floor(task: Task, since: datetime | None) -> int | None:
    """How far a run counts as told that asked for everything since; None: nothing to tell."""
    if since is None:
        return 0 if task.history else None
    return next((update.seq - 1 for update in task.history if update.at >= since), None)


def _rewound(run_id: str, key: TaskKey, floor: int) -> UpdateOne:
    """Only ever back: who was told less is owed the rest as it is."""
    return UpdateOne(
        {"_id": str(key), "runs": run_id, f"delivered.{run_id}": {"$gt": floor}},
        {
            "$set": {f"delivered.{run_id}": floor, "owing": True},
            "$addToSet": {"owed": run_id},
        },
    )


def _pushed(run_id: str, task: Task) -> UpdateOne:
    """Owed what it has not been told; if the task moved since it was read, read it again."""
    change: Document = {"$pull": {"quiet": run_id}, "$inc": {"rev": 1}}
    if task.updates_for(run_id):
        change |= {"$addToSet": {"owed": run_id}, "$set": {"owing": True}}
    return UpdateOne({"_id": str(task.key), "quiet": run_id, "seq": task.seq}, change)
