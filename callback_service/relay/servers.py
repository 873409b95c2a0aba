"""The registry of TES servers."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from callback_service.domain.errors import InvalidInput, Unavailable, Unknown
from callback_service.domain.polling import CallsBack
from callback_service.domain.server import (
    DEFAULT_SERVER,
    Access,
    Server,
    check_server_key,
    check_server_url,
)
from callback_service.relay.ports import Clock, Servers

# Where this service answers as a TES server, below its own address.
_OWN_PATHS = {"", "/gateway", "/ga4gh/tes/v1", "/v1"}

# Workers look a few times a second at a server that has open tasks, or is waited for.
WAKING = timedelta(seconds=0.5)
AWAKE = timedelta(seconds=1)


class ServerRegistry:
    """Which servers there are, and which one is meant."""

    def __init__(
        self,
        servers: Servers,
        clock: Clock,
        credentials: Collection[str] = (),
        own_url: str | None = None,
    ) -> None:
        """`credentials` are the names of those that are configured; `own_url`, where we answer."""
        self._servers = servers
        self._clock = clock
        self._credentials = credentials
        self._own_url = own_url
        self._looked_at_until: dict[tuple[str, bool], datetime] = {}

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

    def look_at(
        self, keys: Collection[str], during: timedelta = WAKING, *, often: bool = False
    ) -> None:
        """Let workers look soon at these servers: new tasks are there, or somebody waits for some.

        They will in any case.
        """
        now = self._clock.now()
        news = {key for key in keys if self._looked_at_until.get((key, often), now) <= now}
        if news:
            # Before it is said: those who come meanwhile need not say it, too.
            self._looked_at_until |= dict.fromkeys(((key, often) for key in news), now + AWAKE)
            say = self._servers.want if often else self._servers.wait
            with suppress(Unavailable):
                say(news, now + during)

    def find(self, key: str) -> Server:
        server = self._servers.find(key)
        if server is None:
            raise Unknown(f"no server {key!r} is registered")
        return server

    def register(  # noqa: PLR0913  what there is to be said of a server
        self,
        key: str,
        url: str,
        calls_back: CallsBack = CallsBack.UNKNOWN,
        *,
        access: Access = Access.TOKEN,
        credentials: str | None = None,
        is_default: bool = False,
    ) -> Server:
        """Raises `Conflict` where the name is taken."""
        server = Server(
            key=check_server_key(key),
            url=self._checked_url(url),
            created_at=self._clock.now(),
            calls_back=calls_back,
            is_default=is_default,
            access=access,
            credentials=self._checked_credentials(credentials),
        )
        self._servers.add(server)
        self._unmark_others(server)
        return server

    def change(self, key: str, **fields: object) -> Server:
        """Set `url`, `calls_back`, `access`, `credentials` or `is_default`.

        With another `url`, what was learnt of the server is forgotten; if it
        shall be found out whether it calls back, it is found out anew.
        """
        if isinstance(url := fields.get("url"), str):
            fields["url"] = self._checked_url(url)
        if isinstance(name := fields.get("credentials"), str):
            self._checked_credentials(name)
        server = replace(self.find(key), **fields)  # type: ignore[arg-type]  # by name, from the contract
        if not self._servers.save(server):
            raise Unknown(f"no server {key!r} is registered")
        self._unmark_others(server)
        if fields.get("calls_back") is CallsBack.UNKNOWN:
            self._learn_anew(key)
        return self.find(key)

    def make_default(self, url: str, access: Access) -> Server:
        """The server `default`, registered or changed, and marked as the one that is meant."""
        try:
            return self.change(DEFAULT_SERVER, url=url, access=access, is_default=True)
        except Unknown:
            return self.register(DEFAULT_SERVER, url, access=access, is_default=True)

    def remove(self, key: str) -> None:
        if not self._servers.remove(key):
            raise Unknown(f"no server {key!r} is registered")

    def _checked_url(self, url: str) -> str:
        url = check_server_url(url)
        if self._own_url and _leads_back(url, self._own_url):
            raise InvalidInput("url", "would be a loop: that is this service itself")
        return url

    def _checked_credentials(self, name: str | None) -> str | None:
        if name is None or name in self._credentials:
            return name
        known = ", ".join(sorted(self._credentials)) or "none"
        raise InvalidInput(
            "credentials",
            f"no credentials {name!r} are configured in `custom.servers.credentials`; "
            f"there is {known}",
        )

    def _learn_anew(self, key: str) -> None:
        """Under a claim, so that a poll that is under way does not bring the old back."""
        while server := self._servers.find(key):
            blank = replace(server.polling, told=0, found=0, learnt=CallsBack.UNKNOWN)
            claim = server.polling.claim + 1
            is_claimed = self._servers.claim(server, self._clock.now())
            if is_claimed and self._servers.polled(key, claim, blank):
                return

    def _unmark_others(self, server: Server) -> None:
        """There is one default: the one that was marked last."""
        if not server.is_default:
            return
        for other in self._servers.list():
            if other.is_default and other.key != server.key:
                self._servers.save(replace(other, is_default=False))


def _leads_back(url: str, own_url: str) -> bool:
    """Whether the gateway would hand on to itself. Other paths may be another service's."""
    base, path = _divided(url)
    own_base, own_path = _divided(own_url)
    below = path.removeprefix(own_path)
    if base != own_base or not path.startswith(own_path):
        return False
    return below in _OWN_PATHS or below.startswith("/gateway/")


def _divided(url: str) -> tuple[tuple[str, str | None, int], str]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return (parts.scheme, parts.hostname, port), parts.path.rstrip("/")
