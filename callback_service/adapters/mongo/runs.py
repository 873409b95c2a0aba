"""The runs in MongoDB."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents.run import (
    from_failing,
    from_fields,
    from_lease,
    from_rewind,
    from_run,
    from_spans,
    to_run,
)
from callback_service.adapters.mongo.documents.sink import TYPES
from callback_service.domain.capability import Capability
from callback_service.domain.delivery import Span
from callback_service.domain.errors import Conflict, CursorExpired
from callback_service.domain.run import LONGEST_LEASE, Failing, Lease, Rewind, Run, RunStatus
from callback_service.domain.sink import Sink
from callback_service.relay.ports import Ending, RunFilter

_NEWEST_FIRST = [("created_at", -1), ("_id", -1)]
_OUTLINE = {"batch": False, "rewind": False}
_LAST_LETTER = "\U0010ffff"
# A run that is being taken apart is changed by nobody any more.
_NOT_ENDING = {"status": {"$ne": str(RunStatus.ENDING)}}


class MongoRuns:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._runs = connection.durable["runs"]
        # For what the deliverer puts down: if it is lost, something is told twice.
        self._light = connection.light["runs"]

    def add(self, run: Run) -> None:
        with self._connection.guarded():
            try:
                self._runs.insert_one(from_run(run))
            except DuplicateKeyError as error:
                raise Conflict(f"there is a run {run.id!r} already") from error

    def find(self, run_ids: Collection[str]) -> dict[str, Run]:
        with self._connection.guarded():
            return {run.id: run for run in map(to_run, self._runs.find(_any_of(run_ids)))}

    def outlines(self, run_ids: Collection[str]) -> dict[str, Run]:
        with self._connection.guarded():
            found = self._runs.find(_any_of(run_ids), _OUTLINE)
            return {one["_id"]: to_run({**one, "batch": [], "rewind": None}) for one in found}

    def list(self, wanted: RunFilter, after: str | None, limit: int) -> list[Run]:
        with self._connection.guarded():
            query = _query(wanted)
            if after is not None:
                query["$or"] = self._behind(wanted.owner, after)
            return [
                to_run(found) for found in self._runs.find(query).sort(_NEWEST_FIRST).limit(limit)
            ]

    def _behind(self, owner: str, run_id: str) -> Sequence[Document]:
        last = self._runs.find_one({"_id": run_id, "owner": owner}, {"created_at": True})
        if last is None:
            raise CursorExpired("the last run of that page is gone; list again from the start")
        at = last["created_at"]
        return [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": run_id}}]

    def change(self, run_id: str, fields: Mapping[str, object]) -> None:
        self._set(self._runs, {"_id": run_id, **_NOT_ENDING}, from_fields(fields))

    def rekey(self, run: Run, tokens: Sequence[Capability], secrets: Sequence[Capability]) -> bool:
        return self._set(
            self._runs,
            {"_id": run.id, **_NOT_ENDING, **from_fields({"tokens": run.tokens})},
            from_fields({"tokens": tokens, "secrets": secrets}),
        )

    def resume(self, run_id: str) -> None:
        afresh = {"status": str(RunStatus.ACTIVE), "failures": 0, "next_attempt_at": None}
        self._set(self._runs, {"_id": run_id, **_NOT_ENDING}, afresh)

    def due(self, run_ids: Collection[str], now: datetime) -> set[str]:
        return self._ids({**_any_of(run_ids), **_is_due(now)})

    def overdue(self, now: datetime) -> set[str]:
        """Each alternative names an indexed time or flag that few runs have."""
        says_so: Sequence[Document] = (
            {"next_attempt_at": {"$lte": now}},
            {"lease.until": {"$lte": now}},
            {"rewind.asked": True},
            {"failing.asked": True},
        )
        return {run_id for one in says_so for run_id in self._ids({"$and": [one, _is_due(now)]})}

    def missing(self, run_ids: Collection[str]) -> set[str]:
        return set(run_ids) - self._ids(_any_of(run_ids))

    def claim(self, run: Run, lease: Lease, batch: Sequence[Span], now: datetime) -> bool:
        # Journaled: were a claim lost, two workers could hold the same generation.
        return self._set(
            self._runs,
            {**_under(run.id, run.lease.generation), **_is_due(now)},
            {"lease": from_lease(lease), "batch": from_spans(batch)},
        )

    def keep(self, run_id: str, generation: int, batch: Sequence[Span]) -> bool:
        return self._set(self._light, _under(run_id, generation), {"batch": from_spans(batch)})

    def renew(self, holder: str, run_ids: Collection[str], until: datetime) -> None:
        with self._connection.guarded():
            self._light.update_many(
                {**_any_of(run_ids), "lease.holder": holder}, {"$max": {"lease.until": until}}
            )

    def knock(self, run_id: str, now: datetime) -> bool:
        is_held = {"$gt": now, "$lte": now + LONGEST_LEASE}
        return self._set(
            self._light, {"_id": run_id, "lease.until": is_held}, {"lease.knocked": True}
        )

    def close(self, run: Run, generation: int, *, batch: Sequence[Span]) -> Ending:
        fields: Document = {
            "failures": run.failures,
            "next_attempt_at": run.next_attempt_at,
            "last_delivery_at": run.last_delivery_at,
            "last_error": run.last_error,
            "batch": from_spans(batch),
            # The generation stays: it is what refuses a late write.
            "lease": from_lease(Lease(generation)),
        }
        held = _under(run.id, generation)
        if run.status is RunStatus.GONE:
            # Unless its owner has paused or deleted it meanwhile: what owners say goes.
            active = {**held, "status": str(RunStatus.ACTIVE)}
            # And nothing is left to be given up, or who resumes it would have it marked again.
            gone = {"status": str(run.status), "failing": None}
            ending = self._end(active, {**fields, **gone})
            if ending is not Ending.LOST:
                return ending
        return self._end(held, fields)

    def _end(self, condition: Document, fields: Document) -> Ending:
        with self._connection.guarded():
            before = self._light.find_one_and_update(
                condition, {"$set": fields}, {"lease.knocked": True}
            )
        if before is None:
            return Ending.LOST
        return Ending.KNOCKED if before.get("lease", {}).get("knocked") else Ending.QUIET

    def rewound(self, run_id: str, generation: int, rewind: Rewind) -> None:
        # Another one may have been asked for meanwhile; that one stays.
        self._set(
            self._light,
            {**_under(run_id, generation), "rewind": from_rewind(rewind)},
            {"rewind": None},
        )

    def failed(self, run_id: str, generation: int, failing: Failing) -> None:
        self._set(
            self._light,
            {**_under(run_id, generation), "failing": from_failing(failing)},
            {"failing": None},
        )

    def going_on(
        self, sinks: Collection[type[Sink]], before: datetime, after: str, limit: int
    ) -> Sequence[Run]:
        wanted = {
            "_id": {"$gt": after},
            "sink.type": {"$in": sorted(TYPES[sink] for sink in sinks)},
            "status": {"$in": [str(RunStatus.ACTIVE), str(RunStatus.PAUSED)]},
            "created_at": {"$lte": before},
        }
        with self._connection.guarded():
            found = self._runs.find(wanted, _OUTLINE).sort("_id", 1).limit(limit)
            return [to_run({**one, "batch": [], "rewind": None}) for one in found]

    def ended(self, now: datetime, limit: int) -> Sequence[str]:
        over = [{"status": str(RunStatus.ENDING)}, {"expires_at": {"$lte": now}}]
        with self._connection.guarded():
            found = self._runs.find({"$or": over}, {"_id": True}).limit(limit)
            return [document["_id"] for document in found]

    def remove(self, run_id: str) -> None:
        with self._connection.guarded():
            self._runs.delete_one({"_id": run_id})

    def _set(
        self, collection: MongoCollection[Document], condition: Document, fields: Document
    ) -> bool:
        with self._connection.guarded():
            return collection.update_one(condition, {"$set": fields}).matched_count == 1

    def _ids(self, wanted: Document) -> set[str]:
        with self._connection.guarded():
            return {document["_id"] for document in self._runs.find(wanted, {"_id": True})}


def _any_of(run_ids: Collection[str]) -> dict[str, Any]:
    return {"_id": {"$in": sorted(run_ids)}}


def _under(run_id: str, generation: int) -> Document:
    return {"_id": run_id, "lease.generation": generation}


def _is_due(now: datetime) -> Document:
    """As `Run.is_due`."""
    not_later = {"$not": {"$gt": now}}
    return {
        "status": str(RunStatus.ACTIVE),
        "expires_at": {"$gt": now},
        "next_attempt_at": not_later,
        "$or": [{"lease.until": not_later}, {"lease.until": {"$gt": now + LONGEST_LEASE}}],
    }


def _query(wanted: RunFilter) -> Document:
    query: Document = {"owner": wanted.owner, **_NOT_ENDING}
    if wanted.status is not None:
        query["status"] = wanted.status
    if wanted.name_prefix:
        query["name"] = {"$gte": wanted.name_prefix, "$lt": wanted.name_prefix + _LAST_LETTER}
    if wanted.tags:
        query["$and"] = [{"tags": {"$elemMatch": _tag(*tag)}} for tag in wanted.tags]
    return query


def _tag(key: str, value: str) -> Document:
    return {"key": key, "value": value} if value else {"key": key}
