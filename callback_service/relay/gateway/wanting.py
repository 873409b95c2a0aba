"""Clients that ask for tasks let the workers look at their server more often.

Those that submit one let them look soon: they may be told of it, and never ask.
"""

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
        self._said_at: dict[tuple[str, bool], datetime] = {}

    def want(self, server: str) -> None:
        self._say(server, is_asking=True)

    def expect(self, server: str) -> None:
        self._say(server, is_asking=False)

    def _say(self, server: str, *, is_asking: bool) -> None:
        now = self._clock.now()
        said_at = self._said_at.get((server, is_asking))
        if said_at and now - said_at < EVERY:
            return
        # Before it is done: those who come meanwhile need not do it, too.
        self._said_at[server, is_asking] = now
        say = self._servers.want if is_asking else self._servers.wait
        with suppress(Unavailable):
            self._breaker.call(say, [server], now + FOR)
