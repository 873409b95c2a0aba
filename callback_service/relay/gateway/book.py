"""The registered servers, as a process of the gateway remembers them."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from callback_service.domain.errors import Unavailable, Unknown
from callback_service.domain.server import Server
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.ports import Clock, Servers

# Looked at with every read: what it says of polls decides whether a task is fresh.
LIFE = timedelta(seconds=0.25)
# What nobody has looked after for so long is not believed any more, if only because nobody asked;
# longer than the database takes to fail.
LEFT = timedelta(seconds=5)

NONE_REGISTERED = (
    "no TES server is registered; register one with "
    "`callback-service servers register NAME URL --default`, or POST /v1/servers"
)


class ServerBook:
    """Goes on with what it last knew while the database is down."""

    def __init__(self, servers: Servers, clock: Clock, breaker: Breaker) -> None:
        self._servers = servers
        self._clock = clock
        self._breaker = breaker
        self._reading = threading.Lock()
        self._known: Sequence[Server] | None = None
        self._read_at: datetime | None = None
        self._tried_at: datetime | None = None

    def find(self, key: str | None) -> Server:
        """The server of this name; None: the default one, or the only one.

        Raises `Unknown` where there is none, `Unavailable` where that cannot be told.
        """
        try:
            return _chosen(self._current(), key)
        except Unknown:
            # It may have been registered a moment ago, and whoever did so uses it at once.
            return _chosen(self._anew(), key)

    def _current(self) -> Sequence[Server]:
        now = self._clock.now()
        since = now - LIFE
        # One reads for all; the others go on meanwhile with what was known a moment ago.
        if self._is_older(since) and self._reading.acquire(blocking=self._is_left(now)):
            try:
                with suppress(Unavailable):
                    self._read(since)
            finally:
                self._reading.release()
        if self._known is None:
            raise Unavailable("the database did not say which servers there are; try again")
        return self._known

    def _anew(self) -> Sequence[Server]:
        since = self._clock.now()
        with self._reading:
            self._read(since)
        return self._current()

    def _is_left(self, now: datetime) -> bool:
        return self._tried_at is None or self._tried_at <= now - LEFT

    def _is_older(self, since: datetime) -> bool:
        return self._read_at is None or self._read_at <= since

    def _read(self, since: datetime) -> None:
        if not self._is_older(since):
            # Somebody else did, while we waited for our turn.
            return
        # The time before: what was written since may not be in it.
        now = self._clock.now()
        try:
            self._known = self._breaker.call(self._servers.list)
            self._read_at = now
        finally:
            self._tried_at = self._clock.now()


def _chosen(known: Sequence[Server], key: str | None) -> Server:
    if key is None:
        return _default(known)
    for server in known:
        if server.key == key:
            return server
    raise Unknown(f"no server {key!r} is registered; there is {_names(known)}")


def _default(known: Sequence[Server]) -> Server:
    if not known:
        raise Unknown(NONE_REGISTERED)
    marked = [server for server in known if server.is_default]
    if marked or len(known) == 1:
        return (marked or known)[0]
    raise Unknown(
        f"no server is the default one; use /gateway/NAME with one of {_names(known)}, "
        "or mark one as `default`"
    )


def _names(known: Sequence[Server]) -> str:
    return ", ".join(server.key for server in known) or "none"
