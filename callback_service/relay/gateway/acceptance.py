"""Whom a server with access `pass` let in, and whom not: that decides who is answered here."""

from contextlib import suppress
from datetime import datetime, timedelta

from callback_service.domain.errors import Unavailable
from callback_service.domain.task import Task
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.ports import Clock, Fingerprints


class Acceptance:
    """`accepted_for`: how long a server's yes is good for."""

    def __init__(
        self, fingerprints: Fingerprints, breaker: Breaker, clock: Clock, accepted_for: timedelta
    ) -> None:
        self._fingerprints = fingerprints
        self._breaker = breaker
        self._clock = clock
        self._accepted_for = accepted_for
        # What the database did not take yet, by owner and server.
        self._unwritten: dict[tuple[str, str], datetime] = {}

    def deny(self, visit: Visit) -> None:
        """The server refused the caller's credentials: no answer comes from here any more."""
        if visit.is_lasting:
            self._unwritten[visit.owner, visit.server.key] = self._clock.now()
            with suppress(Unavailable):
                self._write()

    def holds(self, visit: Visit, task: Task) -> bool:
        """Whether the caller may be told of the task without asking the server."""
        if not visit.shows_own:
            return True
        if task.accepted_at is None:
            return False
        if self._clock.now() - task.accepted_at > self._accepted_for:
            return False
        try:
            self._write()
            denied_at = self._breaker.call(
                self._fingerprints.denied_at, visit.owner, visit.server.key
            )
        except Unavailable:
            return False
        return denied_at is None or task.accepted_at > denied_at

    def _write(self) -> None:
        for (owner, server), at in list(self._unwritten.items()):
            self._breaker.call(self._fingerprints.deny, owner, server, at)
            self._unwritten.pop((owner, server), None)


def accepted(task: Task, at: datetime) -> Task:
    """The task after its server let the owner see it, on a question of that time.

    The time of the question: credentials may have been refused before this answer was put down.
    """
    is_news = task.accepted_at is None or task.accepted_at < at
    return task.accept(at) if is_news else task
