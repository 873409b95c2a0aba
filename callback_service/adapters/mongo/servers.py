"""The registry of TES servers in MongoDB."""

import builtins
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents.server import (
    from_polling,
    from_registration,
    from_server,
    to_server,
)
from callback_service.domain.errors import Conflict
from callback_service.domain.polling import Polling
from callback_service.domain.server import Server

# What a poll does not write: others count the claims, and say for how long they wait.
_OTHERS = ("claim", "wanted_until", "waited_until")


class MongoServers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._servers = connection.durable["servers"]
        # What is learnt by polling may be lost: then the server is asked once more.
        self._polls = connection.light["servers"]

    def add(self, server: Server) -> None:
        with self._connection.guarded():
            try:
                self._servers.insert_one(from_server(server))
            except DuplicateKeyError as error:
                raise Conflict(f"there is a server {server.key!r} already") from error

    def find(self, key: str) -> Server | None:
        with self._connection.guarded():
            document = self._servers.find_one({"_id": key})
        return to_server(document) if document else None

    def list(self) -> builtins.list[Server]:
        with self._connection.guarded():
            return [to_server(document) for document in self._servers.find().sort("_id")]

    def save(self, server: Server) -> bool:
        while stored := self.find(server.key):
            if self._replace(stored, server):
                return True
            # It was moved or claimed since it was read, or removed.
        return False

    def _replace(self, stored: Server, server: Server) -> bool:
        wanted: Document = {"_id": stored.key, "url": stored.url}
        fields = from_registration(server)
        if stored.url != server.url:
            wanted |= _claimed(stored.polling.claim)
            fields["polling"] = from_polling(stored.polling.forget())
        return self._set(self._servers, wanted, fields)

    def remove(self, key: str) -> bool:
        with self._connection.guarded():
            return self._servers.delete_one({"_id": key}).deleted_count == 1

    def claim(self, server: Server, until: datetime) -> bool:
        claim = server.polling.claim
        claimed = {"polling.claim": claim + 1, "polling.held_until": until}
        return self._set(self._polls, {"_id": server.key, **_claimed(claim)}, claimed)

    def hold(self, key: str, claim: int, until: datetime) -> bool:
        held = {"polling.held_until": until}
        return self._set(self._polls, {"_id": key, **_claimed(claim)}, held)

    def polled(self, key: str, claim: int, polling: Polling) -> bool:
        learnt = {
            f"polling.{name}": value
            for name, value in from_polling(polling).items()
            if name not in _OTHERS
        }
        let_go = {**learnt, "polling.held_until": None}
        return self._set(self._polls, {"_id": key, **_claimed(claim)}, let_go)

    def want(self, keys: Collection[str], until: datetime) -> None:
        self._lengthen("wanted_until", keys, until)

    def wait(self, keys: Collection[str], until: datetime) -> None:
        self._lengthen("waited_until", keys, until)

    def _lengthen(self, name: str, keys: Collection[str], until: datetime) -> None:
        with self._connection.guarded():
            longer = {"$max": {f"polling.{name}": until}}
            self._polls.update_many({"_id": {"$in": list(keys)}}, longer)

    def _set(
        self,
        servers: MongoCollection[Document],
        wanted: Mapping[str, Any],
        fields: Mapping[str, Any],
    ) -> bool:
        with self._connection.guarded():
            return servers.update_one(wanted, {"$set": fields}).matched_count == 1


def _claimed(claim: int) -> Document:
    # A document of before there were claims says of none.
    return {"polling.claim": claim or {"$in": [0, None]}}
