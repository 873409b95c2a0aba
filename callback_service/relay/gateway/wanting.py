"""Clients that ask for tasks let the workers look at their server more often."""

from contextlib import suppress
from datetime import datetime, timedelta

from callback_service.domain.errors import Unavailable
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.ports import Clock, Servers

EVERY = timedelta(seconds=1)
# A client that still waits has asked again by then.
FOR = timedelta(seconds=5)


class Wanting:
    """Says it once a second for each server at most, however many ask."""

    def __init__(self, servers: Servers, clock: Clock, breaker: Breaker) -> None:
        self._servers = servers
        self._clock = clock
        self._breaker = breaker
        self._said_at: dict[str, datetime] = {}

    def want(self, server: str) -> None:
        now = self._clock.now()
        said_at = self._said_at.get(server)
        if said_at and now - said_at < EVERY:
            return
        # Before it is done: those who come meanwhile need not do it, too.
        self._said_at[server] = now
        with suppress(Unavailable):
            self._breaker.call(self._servers.want, [server], now + FOR)
