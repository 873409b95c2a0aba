"""What a server says of itself: whether it takes a `callback_url`."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.gateway.answer import is_success
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.ports import Clock, TesServers

# A server may be replaced by a newer one.
LIFE = timedelta(minutes=10)


class Announced:
    """Asks each server once in a while, aside: no client waits for that.

    `aside` runs something later, or beside what is done now.
    """

    def __init__(
        self, tes: TesServers, clock: Clock, aside: Callable[[Callable[[], None]], None]
    ) -> None:
        self._tes = tes
        self._clock = clock
        self._aside = aside
        self._asked_at: dict[tuple[str, str], datetime] = {}
        self._takes: dict[tuple[str, str], bool] = {}

    def takes_urls(self, visit: Visit) -> bool:
        """As far as is known by now."""
        at, now = _place(visit.server), self._clock.now()
        asked_at = self._asked_at.get(at)
        if asked_at is None or now - asked_at >= LIFE:
            # Before it is done: those who come meanwhile need not do it, too.
            self._asked_at[at] = now
            self._aside(lambda: self._ask(visit))
        return self._takes.get(at, False)

    def _ask(self, visit: Visit) -> None:
        # One that cannot be asked may still take the task.
        with suppress(ServerFailed, ValueError, RecursionError):
            reply = self._tes.ask(visit.server, visit.question("/service-info"))
            info = json.loads(reply.body) if is_success(reply.status) else {}
            says = isinstance(info, dict) and info.get("callback_supported") is True
            self._takes[_place(visit.server)] = says


def _place(server: Server) -> tuple[str, str]:
    return server.key, server.url
