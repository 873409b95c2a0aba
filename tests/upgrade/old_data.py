"""What an earlier version of the service wrote, as it was read out of its database.

`schema-1.json` was written by the last version that asked no TES servers, by its own processes: a
run that is told, one in the format `tes`, one whose receiver is down, one that pulls and is paused.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import json_util
from pymongo.database import Database

OLDEST = Path(__file__).with_name("schema-1.json")


def load(database: Database[dict[str, Any]]) -> dict[str, Any]:
    """Put it into an empty database, as new as if written now; return what else is known of it."""
    options = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)
    written = json_util.loads(OLDEST.read_text(), json_options=options)
    collections = written.pop("collections")
    newest = max(task["updated_at"] for task in collections["tasks"])
    age = datetime.now(UTC) - newest
    for name, documents in collections.items():
        if documents:
            database[name].insert_many([_later(document, age) for document in documents])
    return written


def _later(value: Any, by: Any) -> Any:
    if isinstance(value, datetime):
        return value + by
    if isinstance(value, dict):
        return {key: _later(one, by) for key, one in value.items()}
    return [_later(one, by) for one in value] if isinstance(value, list) else value
