"""Whom a server with access `pass` let in, and whom not: that decides who is answered here."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from callback_service.domain.errors import Unavailable
from callback_service.domain.task import Task
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.ports import Clock, Fingerprints

# Seconds after which the database is tried again that did not take a denial.
AGAIN = 1.0


class Acceptance:
    """`accepted_for`: how long a server's yes is good for.

    `aside` runs something later, or beside what is done now; `pause` waits there, in seconds.
    """

    def __init__(  # noqa: PLR0913, PLR0917  all that it stands on
        self,
        fingerprints: Fingerprints,
        breaker: Breaker,
        clock: Clock,
        accepted_for: timedelta,
        aside: Callable[[Callable[[], None]], None],
        pause: Callable[[float], None],
    ) -> None:
        self._fingerprints = fingerprints
        self._breaker = breaker
        self._clock = clock
        self._accepted_for = accepted_for
        self._aside = aside
        self._pause = pause
        # What the database did not take yet, by owner and server.
        self._unwritten: dict[tuple[str, str], datetime] = {}
        # Held by the one who tries again.
        self._trying = threading.Lock()

    def deny(self, visit: Visit) -> None:
        """The server refused the caller's credentials: no answer comes from here any more."""
        if not visit.is_lasting:
            return
        place = visit.owner, visit.server.key
        self._unwritten[place] = self._clock.now()
        try:
            self._write(place)
        except Unavailable:
            # Not with the next visit: meanwhile other processes may answer the caller.
            self._try_again()

    def holds(self, visit: Visit, task: Task) -> bool:
        """Whether the caller may be told of the task without asking the server."""
        if not visit.shows_own:
            return True
        if task.accepted_at is None:
            return False
        if self._is_over(task.accepted_at):
            return False
        unwritten = self._unwritten.get((visit.owner, visit.server.key))
        if unwritten and task.accepted_at <= unwritten:
            return False
        try:
            denied_at = self._breaker.call(
                self._fingerprints.denied_at, visit.owner, visit.server.key
            )
        except Unavailable:
            return False
        return denied_at is None or task.accepted_at > denied_at

    def _is_over(self, accepted_at: datetime) -> bool:
        return self._clock.now() - accepted_at > self._accepted_for

    def _write(self, place: tuple[str, str]) -> None:
        at = self._unwritten.get(place)
        if at is None:
            # Somebody else has just written it.
            return
        self._breaker.call(self._fingerprints.deny, *place, at)
        # They may have been refused once more meanwhile.
        if self._unwritten.get(place) == at:
            self._unwritten.pop(place, None)

    def _try_again(self) -> None:
        if self._trying.acquire(blocking=False):
            self._aside(self._go_on)

    def _go_on(self) -> None:
        """Until everything is written that still matters."""
        try:
            while self._unwritten:
                self._pause(AGAIN)
                self._forget()
                with suppress(Unavailable):
                    for place in list(self._unwritten):
                        self._write(place)
        finally:
            self._trying.release()
        if self._unwritten:
            # It was refused just when this ended.
            self._try_again()

    def _forget(self) -> None:
        """What was accepted before these is good no longer, wherever it is known."""
        for place, at in list(self._unwritten.items()):
            if self._is_over(at):
                self._unwritten.pop(place, None)


def accepted(task: Task, at: datetime) -> Task:
    """The task after its server let the owner see it, on a question of that time.

    The time of the question: credentials may have been refused before this answer was put down.
    """
    is_news = task.accepted_at is None or task.accepted_at < at
    return task.accept(at) if is_news else task
