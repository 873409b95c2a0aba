"""The key of fingerprints, and whom a server refused, in MongoDB."""

import secrets
from contextlib import suppress
from datetime import datetime
from typing import Final
from urllib.parse import quote

from pymongo.errors import DuplicateKeyError

from callback_service.adapters.mongo.connection import Connection
from callback_service.domain.errors import Unavailable

KEY_BYTES = 32
# No refusal has this id: each of theirs has a slash.
_KEY: Final = {"_id": "key"}


class MongoFingerprints:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # A refusal that is lost would let somebody in.
        self._fingerprints = connection.durable["fingerprints"]
        # A key that could still be rolled back is nobody's yet.
        self._settled = connection.settled["fingerprints"]
        self._key: bytes | None = None

    def key(self) -> bytes:
        # It never changes, so it is read once in the life of a process.
        if self._key is None:
            self._key = self._read_key() or self._make_key()
        return self._key

    def _read_key(self) -> bytes | None:
        with self._connection.guarded():
            kept = self._settled.find_one(_KEY)
        return kept["key"] if kept else None

    def _make_key(self) -> bytes:
        # Where another process was faster, that one's key is the key.
        with self._connection.guarded(), suppress(DuplicateKeyError):
            self._fingerprints.insert_one({**_KEY, "key": secrets.token_bytes(KEY_BYTES)})
        made = self._read_key()
        if made is None:
            raise Unavailable("the database did not confirm in time; try again")
        return made

    def deny(self, owner: str, server: str, at: datetime) -> None:
        refused = {"_id": _id(owner, server)}
        later = {"$max": {"denied_at": at}}
        with self._connection.guarded():
            try:
                self._fingerprints.update_one(refused, later, upsert=True)
            except DuplicateKeyError:
                # Two were refused for the first time at once: now it is there.
                self._fingerprints.update_one(refused, later)

    def denied_at(self, owner: str, server: str) -> datetime | None:
        with self._connection.guarded():
            refused = self._fingerprints.find_one({"_id": _id(owner, server)})
        return refused["denied_at"] if refused else None

    def forget(self, before: datetime) -> int:
        return self._connection.delete_all(self._fingerprints, {"denied_at": {"$lt": before}})


def _id(owner: str, server: str) -> str:
    return f"{quote(owner, safe='')}/{server}"
