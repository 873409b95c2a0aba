import builtins
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from callback_service.domain.errors import Conflict
from callback_service.domain.polling import Polling
from callback_service.domain.server import Server
from tests.fakes.store.fake_store import FakeStore, latest


class FakeServers(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._servers: dict[str, Server] = {}

    def add(self, server: Server) -> None:
        with self._open():
            if server.key in self._servers:
                raise Conflict(f"there is a server {server.key!r} already")
            self._servers[server.key] = server

    def find(self, key: str) -> Server | None:
        with self._open():
            return self._servers.get(key)

    def list(self) -> builtins.list[Server]:
        with self._open():
            return [server for _, server in sorted(self._servers.items())]

    def save(self, server: Server) -> bool:
        with self._open():
            stored = self._servers.get(server.key)
            if stored is None:
                return False
            moved = stored.url != server.url
            polling = stored.polling.forget() if moved else stored.polling
            self._servers[server.key] = replace(server, polling=polling)
            return True

    def remove(self, key: str) -> bool:
        with self._open():
            return self._servers.pop(key, None) is not None

    def claim(self, server: Server, until: datetime) -> bool:
        with self._open():
            claim = server.polling.claim
            return self._poll(server.key, claim, claim=claim + 1, held_until=until)

    def hold(self, key: str, claim: int, until: datetime) -> bool:
        with self._open():
            return self._poll(key, claim, held_until=until)

    def polled(self, key: str, claim: int, polling: Polling) -> bool:
        with self._open():
            server = self._under(key, claim)
            if server is None:
                return False
            theirs = {
                "wanted_until": server.polling.wanted_until,
                "waited_until": server.polling.waited_until,
            }
            let_go = replace(polling, claim=claim, held_until=None, **theirs)
            self._servers[key] = replace(server, polling=let_go)
            return True

    def want(self, keys: Collection[str], until: datetime) -> None:
        with self._open():
            for key in self._servers.keys() & set(keys):
                polling = self._servers[key].polling
                wanted_until = latest(polling.wanted_until, until)
                self._poll(key, polling.claim, wanted_until=wanted_until)

    def wait(self, keys: Collection[str], until: datetime) -> None:
        with self._open():
            for key in self._servers.keys() & set(keys):
                polling = self._servers[key].polling
                waited_until = latest(polling.waited_until, until)
                self._poll(key, polling.claim, waited_until=waited_until)

    def _poll(self, key: str, under: int, **fields: object) -> bool:
        """Set fields of `Polling` under a claim."""
        server = self._under(key, under)
        if server is not None:
            polling = replace(server.polling, **fields)  # type: ignore[arg-type]  # by name
            self._servers[key] = replace(server, polling=polling)
        return server is not None

    def _under(self, key: str, claim: int) -> Server | None:
        server = self._servers.get(key)
        return server if server and server.polling.claim == claim else None
