"""Where servers that call back tell of the tasks that the gateway forwards to them."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from callback_service.domain.callback_run import listener_run
from callback_service.domain.errors import Conflict, Unavailable
from callback_service.domain.polling import CallsBack
from callback_service.domain.run import Run
from callback_service.relay.gateway.announced import Announced
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.fingerprint import Fingerprinter
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.ports import Clock, Runs

# A run may be deleted; then its URL is not handed out for longer than this.
LOOKED_UP_FOR = timedelta(minutes=1)
# A server may call back and yet take no `callback_url`: it is told by other means whom to call.
REFUSED_FOR = timedelta(minutes=10)


@dataclass
class Listener:
    """`own_url` is the service as servers reach it; without it they are given no URL."""

    runs: Runs
    fingerprinter: Fingerprinter
    announced: Announced
    breaker: Breaker
    clock: Clock
    own_url: str | None
    _open_until: dict[str, datetime] = field(default_factory=dict)
    _refused_until: dict[str, datetime] = field(default_factory=dict)

    def url_for(self, visit: Visit, owner: str) -> str | None:
        """The callback URL for a task of `owner`; None where it is better to send none."""
        now = self.clock.now()
        if not self.own_url or not visit.is_lasting or not self._is_taken(visit, now):
            return None
        key = self.fingerprinter.key()
        if key is None:
            return None
        run, token = listener_run(owner, visit.server.key, now, key)
        with suppress(Unavailable):
            if self._is_open(run, now):
                return f"{self.own_url.rstrip('/')}/callbacks/{token}"
        return None

    def note_refusal(self, visit: Visit) -> None:
        """The server took no task with a `callback_url`."""
        self._refused_until[visit.server.key] = self.clock.now() + REFUSED_FOR

    def _is_taken(self, visit: Visit, now: datetime) -> bool:
        """Whether the server is thought to take a callback URL."""
        server = visit.server
        refused_until = self._refused_until.get(server.key)
        if refused_until and now < refused_until:
            return False
        if server.tells is CallsBack.UNKNOWN:
            return self.announced.takes_urls(visit)
        return server.tells is CallsBack.YES

    def _is_open(self, run: Run, now: datetime) -> bool:
        open_until = self._open_until.get(run.id)
        if open_until and now < open_until:
            return True
        found = self.breaker.call(self.runs.outlines, [run.id]).get(run.id)
        if found is None:
            with suppress(Conflict):
                # Else another process made it at this moment, and it is the same one.
                self.breaker.call(self.runs.add, run)
            found = run
        if found.is_open(now):
            self._open_until[run.id] = now + LOOKED_UP_FOR
        return found.is_open(now)
