"""The database as the stores use it: what a write waits for, and what its failures mean."""

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

import pymongo
from bson.codec_options import CodecOptions
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    ProtocolError,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.indexes import ensure_indexes
from callback_service.domain.errors import Unavailable

Query = Mapping[str, Any]

log = logging.getLogger(__name__)

TIMEOUT = 2.0
# Documents in one statement, so that each is over well within the timeout.
CHUNK = 50
_INDEXES_AGAIN_AFTER = 30.0

# Every other PyMongoError is a mistake of ours, and must not look like bad luck. A document that
# is too large is refused by the client already where the server would have refused it.
_NOT_CONFIRMED = (ConnectionFailure, DocumentTooLarge, OperationFailure, ProtocolError)

# The end of the time that the calls of a thread, or greenlet, have together.
_UNTIL: Final[ContextVar[float]] = ContextVar("until", default=math.inf)
_LATE = "the database did not confirm in time; try again"

_AWARE: Final[CodecOptions[Document]] = CodecOptions(tz_aware=True, tzinfo=UTC)


class Connection:
    """A database in three attitudes.

    `durable` acknowledges what a majority has in its journal. `light` is for
    what may be lost: a lost mark, batch or log line costs a repeat, never an
    update. `settled` reads only what can no longer be rolled back.
    """

    def __init__(self, database: Database[Document], timeout: float = TIMEOUT) -> None:
        """`timeout`: how long a call may take, in seconds."""
        # Whatever the URI says: decisions are made on the primary's documents.
        self.durable = database.with_options(
            _AWARE, ReadPreference.PRIMARY, WriteConcern("majority", j=True)
        )
        self.light = self.durable.with_options(write_concern=WriteConcern(1, j=False))
        self.settled = self.durable.with_options(read_concern=ReadConcern("majority"))
        self._timeout = timeout
        self._has_indexes = False
        self._indexing = threading.Lock()
        self._index_again_at = 0.0

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Bound a call's time; raise `Unavailable` where the database did not confirm."""
        left = _UNTIL.get() - time.monotonic()
        if left <= 0:
            raise Unavailable(_LATE)
        try:
            with pymongo.timeout(min(self._timeout, left)):
                yield
        except _NOT_CONFIRMED as error:
            raise Unavailable(_LATE) from error
        # After a call that went well, so that a database that is down is asked once, not twice;
        # and not in the time of somebody who has only so much of it.
        if not self._has_indexes and left == math.inf:
            self._try_to_index()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound the time of all calls together that this thread, or greenlet, makes inside."""
        token = _UNTIL.set(min(_UNTIL.get(), time.monotonic() + seconds))
        try:
            yield
        finally:
            _UNTIL.reset(token)

    def check(self) -> None:
        """Raises `Unavailable` where the database takes no writes."""
        with self.guarded():
            self.durable["ticks"].update_one(
                {"_id": "ready"}, {"$set": {"asked_at": datetime.now(UTC)}}, upsert=True
            )

    def time(self) -> datetime | None:
        """By the primary's clock, if it says so."""
        with self.guarded():
            said = self.durable.client.admin.command("hello", codec_options=_AWARE)
        time: datetime | None = said.get("localTime")
        return time

    def index(self) -> None:
        """Create the indexes now. Raises `Unavailable` where the database did not confirm."""
        with self.guarded():
            ensure_indexes(self.durable)
        self._has_indexes = True

    def _try_to_index(self) -> None:
        """Never a reason to fail: indexes make things fast, nothing depends on one."""
        if time.monotonic() < self._index_again_at or not self._indexing.acquire(blocking=False):
            return
        try:
            with pymongo.timeout(self._timeout):
                ensure_indexes(self.durable)
            self._has_indexes = True
        except PyMongoError as error:
            self._index_again_at = time.monotonic() + _INDEXES_AGAIN_AFTER
            log.warning("indexes.postponed", extra={"fields": {"error": str(error)}})
        finally:
            self._indexing.release()

    def delete_all(self, collection: Collection[Document], matching: Query) -> int:
        """Delete in pieces, each within the time that a call has."""
        deleted = 0
        while ids := self.some_ids(collection, matching):
            with self.guarded():
                # The condition again: a document may have come back to life since it was found.
                result = collection.delete_many({"_id": {"$in": ids}, **matching})
            deleted += result.deleted_count
        return deleted

    def some_ids(self, collection: Collection[Document], matching: Query) -> list[Any]:
        with self.guarded():
            found = collection.find(matching, {"_id": True}).limit(CHUNK)
            return [document["_id"] for document in found]
