"""Which version of this service wrote the documents, and how older ones come up to date.

Every change of shape so far only adds, so that both versions can run during a rolling upgrade:
readers take documents that lack what is new, and a step gives it to those that nobody writes again.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from callback_service.adapters.mongo.connection import CHUNK, Connection
from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents import task as task_document
from callback_service.domain.errors import NewerData

log = logging.getLogger(__name__)

# 1: runs, tasks, deliveries. 2: tasks say whether their server is to be asked for them.
VERSION: Final = 2
# What was written before there were versions.
_UNMARKED: Final = 1
_ID: Final = "version"


class MongoSchema:
    """The one document that says which version the others have."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schema = connection.durable["schema"]

    def check(self) -> None:
        """Raises `NewerData` where another version's documents must be left alone."""
        self._found()

    def migrate(self, *, again: bool = False) -> dict[str, int]:
        """Bring all documents up to date; say how many each step changed.

        `again`: with every step, for an older version may have written since. A step that was
        broken off goes on where it was, and two at once only share the work. Raises `NewerData`,
        or `Unavailable` where the database did not confirm.
        """
        found = self._found()
        if found == VERSION and not again:
            return {}
        since = 0 if again else found or self._first()
        changed = {step.what: step.apply(self._connection) for step in STEPS if step.to > since}
        self._mark()
        for what, count in changed.items():
            log.info("schema.migrated", extra={"fields": {"step": what, "documents": count}})
        return changed

    def _first(self) -> int:
        """The version of documents that are not marked: of none, the newest."""
        with self._connection.guarded():
            is_empty = all(
                self._connection.durable[name].find_one({}, {"_id": True}) is None
                for name in ("tasks", "runs", "servers")
            )
        return VERSION if is_empty else _UNMARKED

    def _found(self) -> int | None:
        with self._connection.guarded():
            document = self._schema.find_one({"_id": _ID})
        found = None if document is None else int(document["version"])
        if found is not None and found > VERSION:
            raise NewerData(found, VERSION)
        return found

    def _mark(self) -> None:
        marked = {"version": VERSION, "at": datetime.now(UTC)}
        with self._connection.guarded():
            try:
                # Never back: a newer version may have come in the meantime.
                self._schema.update_one(
                    {"_id": _ID, "version": {"$lt": VERSION}}, {"$set": marked}, upsert=True
                )
            except DuplicateKeyError:
                # It is there and not older, so the upsert found nothing and could add nothing.
                return


class Step(NamedTuple):
    """Changes documents of the version before, and finds only those that it has not changed."""

    to: int
    what: str
    apply: Callable[[Connection], int]


def _mark_unsettled(connection: Connection) -> int:
    """The reconciler finds tasks by a mark, which tasks of before it had one lack.

    Only while `rev` is what it was: who writes the task meanwhile sets the mark himself.
    """
    lacking = {"unsettled": {"$exists": False}, "began_at": {"$exists": False}}
    tasks = connection.durable["tasks"]
    changed = 0
    for some in _chunks(connection, lacking):
        writes = [
            UpdateOne({"_id": one["_id"], "rev": one["rev"]}, {"$set": _marks(one)}) for one in some
        ]
        with connection.guarded():
            changed += tasks.bulk_write(writes, ordered=False).modified_count
    return changed


def _marks(document: Document) -> dict[str, Any]:
    task = task_document.to_task(document)
    unsettled = {} if task.is_settled else task_document.from_unsettled(task)
    return {**task_document.from_beginning(task), **unsettled}


def _chunks(connection: Connection, matching: Document) -> Iterator[list[Document]]:
    """All tasks that match now, some at a time, in the order of their ids."""
    tasks, after = connection.durable["tasks"], ""
    while True:
        with connection.guarded():
            found = tasks.find({"_id": {"$gt": after}, **matching})
            some = list(found.sort("_id").limit(CHUNK))
        if not some:
            return
        yield some
        after = some[-1]["_id"]


STEPS: Final = (Step(2, "tasks to be asked for", _mark_unsettled),)
