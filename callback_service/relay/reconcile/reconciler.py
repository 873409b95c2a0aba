"""Every worker looks at every server; who finds that one should be asked claims it."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from callback_service.domain.errors import ServiceError, Unavailable
from callback_service.domain.freshness import WANTED
from callback_service.domain.server import Server
from callback_service.relay.reconcile.errand import MOST_TASKS, Errand, due_ones, errand_of
from callback_service.relay.reconcile.means import Means
from callback_service.relay.reconcile.memory import Memory
from callback_service.relay.reconcile.poll import Poll
from callback_service.relay.reconcile.rhythm import Rhythm

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=0.2)
# While clients wait: a poll comes late by half of it, on the average.
LOOK_OFTEN = timedelta(seconds=0.1)
# A worker that died is followed by another after so long. Who lives holds on to what it claimed.
HOLD = timedelta(seconds=5)
# Between two polls of a server that nobody asks for at the gateway.
RESTED = timedelta(seconds=1)
# After a look that found no database.
REST = timedelta(seconds=1)


@dataclass
class Hold:
    """A server that is polled here, and the claim by which it is."""

    claim: int
    until: datetime
    is_lost: bool = False


class Reconciler:
    """`start` runs a poll beside the looks, or says that there is no place for it now."""

    def __init__(self, means: Means, start: Callable[[Callable[[], None]], bool]) -> None:
        self._means = means
        self._start = start
        self._memories: dict[tuple[str, str], Memory] = {}
        self._rhythms: dict[str, Rhythm] = {}
        # Servers that are polled here; without a hold those that are about to be claimed.
        self._polled: dict[str, Hold | None] = {}
        self._change = threading.Condition()
        self._rests_until: datetime | None = None
        self._is_stopping = False
        self._pause = LOOK_EVERY

    def look(self) -> None:
        """Begin the polls that are due. Asks no server, so it takes no longer than the database.

        Raises `Unavailable`.
        """
        now = self._means.clock.now()
        if self._rests_until and now < self._rests_until:
            return
        try:
            self._renew_holds()
            if self._is_stopping:
                return
            servers = self._means.servers.list()
            self._forget_all_but(servers)
            is_awaited = any(server.polling.is_awaited(now) for server in servers)
            self._pause = LOOK_OFTEN if is_awaited else LOOK_EVERY
            for server in servers:
                self._look_at(server)
        except Unavailable:
            self._rests_until = self._means.clock.now() + REST
            raise

    def pause(self) -> float:
        """Seconds until it is worth another look."""
        return self._pause.total_seconds()

    def stop(self, grace: float) -> None:
        """Begin no more; give the polls under way so many seconds to end with what they have."""
        self._is_stopping = True
        with self._change:
            self._change.wait_for(lambda: not self._polled, grace)

    def _look_at(self, server: Server) -> None:
        now, polling = self._means.clock.now(), server.polling
        rhythm = self._rhythms.setdefault(server.key, Rhythm())
        total_cost = sum((one.cost for one in self._rhythms.values()), timedelta())
        is_time = rhythm.is_time(now, total_cost, is_awaited=polling.is_awaited(now))
        is_affordable = polling.affordable_at(now, self._means.terms.budget) <= now
        # New tasks may come one by one, and want to be asked for at once.
        rest = WANTED if polling.is_wanted(now) else RESTED
        is_rested = polling.polled_at is None or now - polling.polled_at >= rest
        if server.key in self._polled or not (is_time and is_affordable and is_rested):
            return
        if not polling.is_free(now):
            return
        errand = self._errand(server, rhythm, now)
        if errand:
            self._begin(errand)
        # Reading many tasks takes its time.
        self._renew_holds()

    def _errand(self, server: Server, rhythm: Rhythm, now: datetime) -> Errand | None:
        means, budget = self._means, self._means.terms.budget
        memory = self._memories.setdefault((server.key, server.url), Memory(now))
        unsettled = means.tasks.unsettled(server.key, MOST_TASKS)
        due = due_ones(unsettled, server, means.terms.patience, memory, now)
        rhythm.note(now, means.clock.now(), means.chance(), is_idle=not unsettled)
        if not due:
            return None
        errand = errand_of(server, unsettled, due, memory, now)
        requests = min(errand.requests, budget.saved)
        return errand if server.polling.affordable_at(now, budget, requests) <= now else None

    def _begin(self, errand: Errand) -> None:
        key = errand.server.key
        self._polled[key] = None
        if not self._start(lambda: self._run(errand)):
            self._leave(key)

    def _run(self, errand: Errand) -> None:
        key = errand.server.key
        try:
            self._poll(errand)
        except ServiceError as error:
            fields = {"server": key, "error": str(error), "cause": error.cause}
            log.warning("poll.lost", extra={"fields": fields})
        except Exception:
            log.exception("poll.failed", extra={"fields": {"server": key}})
        finally:
            self._leave(key)

    def _poll(self, errand: Errand) -> None:
        """Where nobody claimed the server since it was read, its tasks are as they were then."""
        before, servers = errand.server, self._means.servers
        until = self._means.clock.now() + HOLD
        if not servers.claim(before, until):
            return
        server = servers.find(before.key)
        claim = before.polling.claim + 1
        if server is None or server.polling.claim != claim or server.url != before.url:
            return
        hold = self._polled[before.key] = Hold(claim, until)
        memory = self._memories[server.key, server.url]
        errand = replace(errand, server=server)
        Poll(self._means, errand, memory, lambda: self._is_stopping or hold.is_lost).run()

    def _leave(self, key: str) -> None:
        with self._change:
            del self._polled[key]
            self._change.notify_all()

    def _renew_holds(self) -> None:
        now = self._means.clock.now()
        for key, hold in list(self._polled.items()):
            if hold and not hold.is_lost and now > hold.until - HOLD / 2:
                until = now + HOLD
                hold.is_lost = not self._means.servers.hold(key, hold.claim, until)
                hold.until = until

    def _forget_all_but(self, servers: Sequence[Server]) -> None:
        known = {(server.key, server.url) for server in servers}
        self._memories = {at: memory for at, memory in self._memories.items() if at in known}
        keys = {server.key for server in servers}
        self._rhythms = {key: one for key, one in self._rhythms.items() if key in keys}
