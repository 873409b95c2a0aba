"""The indexes that the queries of this package need. None of them is unique: they make it fast.

What must be unique is an `_id`, so nothing is wrong while an index is still missing.
"""

from typing import Final

from pymongo import ASCENDING as UP
from pymongo import DESCENDING as DOWN
from pymongo import IndexModel
from pymongo.database import Database

from callback_service.adapters.mongo.documents import Document

INDEXES: Final = {
    "tasks": (
        # What a run is owed, longest unchanged first.
        IndexModel([("owed", UP), ("updated_at", UP), ("_id", UP)]),
        # Who is owed anything at all.
        IndexModel([("owing", UP)], sparse=True),
        # What a server is to be asked for.
        IndexModel([("unsettled", UP)], sparse=True),
        # A run's tasks as they changed, and in the order of their keys.
        IndexModel([("runs", UP), ("updated_at", UP), ("_id", UP)]),
        IndexModel([("runs", UP), ("_id", UP)]),
        # None on `heard_at`: every repeat would write it, and what is old by this one is nearly all
        # that is forgotten.
        IndexModel([("updated_at", UP)]),
    ),
    "runs": (
        IndexModel([("owner", UP), ("created_at", DOWN), ("_id", DOWN)]),
        IndexModel([("status", UP), ("expires_at", UP)]),
        IndexModel([("expires_at", UP)]),
        # Runs that are due by what they say themselves.
        IndexModel([("next_attempt_at", UP)]),
        IndexModel([("lease.until", UP)]),
        IndexModel([("rewind.asked", UP)]),
        IndexModel([("failing.asked", UP)]),
        # Runs that a WES may have lost the engine of.
        IndexModel([("sink.type", UP), ("_id", UP)]),
    ),
    "deliveries": (
        IndexModel([("run_id", UP), ("at", DOWN), ("_id", DOWN)]),
        IndexModel([("at", UP)]),
    ),
    "dead_letters": (
        IndexModel([("run_id", UP)]),
        IndexModel([("at", UP)]),
    ),
    # Both are read by the key that a request has; the other index is for what is forgotten.
    "fingerprints": (IndexModel([("denied_at", UP)], sparse=True),),
    "outcomes": (
        # What became of the same request, oldest first.
        IndexModel([("digest", UP), ("at", UP)]),
        IndexModel([("at", UP)]),
    ),
}


def ensure_indexes(database: Database[Document]) -> None:
    """Create what is missing; raises `PyMongoError` where the database cannot be reached."""
    for collection, models in INDEXES.items():
        database[collection].create_indexes(list(models))
