"""The registry of TES servers in MongoDB."""

import builtins

from pymongo.errors import DuplicateKeyError

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.documents.server import from_server, to_server
from callback_service.domain.errors import Conflict
from callback_service.domain.server import Server


class MongoServers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._servers = connection.durable["servers"]

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
        with self._connection.guarded():
            return (
                self._servers.replace_one({"_id": server.key}, from_server(server)).matched_count
                == 1
            )

    def remove(self, key: str) -> bool:
        with self._connection.guarded():
            return self._servers.delete_one({"_id": key}).deleted_count == 1
