"""The registry of TES servers."""

from dataclasses import replace

from callback_service.domain.errors import InvalidInput, Unknown
from callback_service.domain.polling import CallsBack
from callback_service.domain.server import (
    DEFAULT_SERVER,
    Server,
    check_server_key,
    check_server_url,
)
from callback_service.relay.ports import Clock, Servers


class ServerRegistry:
    """Which servers there are, and which one is meant."""

    def __init__(self, servers: Servers, clock: Clock) -> None:
        self._servers = servers
        self._clock = clock

    def resolve(self, key: str | None, field: str = "server") -> str:
        """The key of the server meant; none named: the default one, or the only one.

        While no server is registered there is one, `default`. Raises
        `InvalidInput` naming the servers that there are.
        """
        known = self._servers.list()
        names = {server.key for server in known} or {DEFAULT_SERVER}
        if key is None:
            marked = [server.key for server in known if server.is_default]
            if marked or len(names) == 1:
                return (marked or list(names))[0]
            raise InvalidInput(field, f"must be one of {', '.join(sorted(names))}")
        if key not in names:
            raise InvalidInput(
                field, f"no server {key!r} is registered; there is {', '.join(sorted(names))}"
            )
        return key

    def list(self) -> list[Server]:
        return self._servers.list()

    def find(self, key: str) -> Server:
        server = self._servers.find(key)
        if server is None:
            raise Unknown(f"no server {key!r} is registered")
        return server

    def register(
        self, key: str, url: str, calls_back: CallsBack, *, is_default: bool = False
    ) -> Server:
        """Raises `Conflict` where the name is taken."""
        server = Server(
            key=check_server_key(key),
            url=check_server_url(url),
            created_at=self._clock.now(),
            calls_back=calls_back,
            is_default=is_default,
        )
        self._servers.add(server)
        self._unmark_others(server)
        return server

    def change(self, key: str, **fields: object) -> Server:
        """Set `url`, `calls_back` or `is_default`."""
        if isinstance(url := fields.get("url"), str):
            fields["url"] = check_server_url(url)
        server = replace(self.find(key), **fields)  # type: ignore[arg-type]  # by name, from the contract
        if not self._servers.save(server):
            raise Unknown(f"no server {key!r} is registered")
        self._unmark_others(server)
        return server

    def remove(self, key: str) -> None:
        if not self._servers.remove(key):
            raise Unknown(f"no server {key!r} is registered")

    def _unmark_others(self, server: Server) -> None:
        """There is one default: the one that was marked last."""
        if not server.is_default:
            return
        for other in self._servers.list():
            if other.is_default and other.key != server.key:
                self._servers.save(replace(other, is_default=False))
