"""The database's clock, by which all processes judge what is due, held and over."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from callback_service.adapters.mongo.connection import Connection
from callback_service.domain.errors import Unavailable

# Seconds for which its answer is good, as far as anybody wants to know the time.
ASKED_EVERY = 1.0
# Times are said in whole ones.
_MILLISECOND = timedelta(milliseconds=1)


def _beside(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="clock", daemon=True).start()


class MongoClock:
    """UTC, cut to milliseconds, as the database keeps it.

    Machines' clocks differ and jump. What one worker leased by its own, another whose clock is an
    hour ahead would take from it, and the first from that one again. So the time is the one that
    the database said last, and what has passed since then on a clock that nobody sets. Nobody
    waits for it: it is asked beside, and until it answers this machine's clock at the start holds.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        passed: Callable[[], float] = time.monotonic,
        beside: Callable[[Callable[[], None]], None] = _beside,
    ) -> None:
        self._connection = connection
        self._passed = passed
        self._beside = beside
        # The time when nothing had passed.
        self._zero = datetime.now(UTC) - timedelta(seconds=passed())
        self._ask_at = passed()
        self._asking = threading.Lock()

    def now(self) -> datetime:
        passed = self._passed()
        if passed >= self._ask_at and not self._asking.locked():
            self._ask_at = passed + ASKED_EVERY
            self._beside(self.ask)
        now = self._zero + timedelta(seconds=passed)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def ask(self) -> None:
        """Set it by the database; where that does not answer, it goes on as it is."""
        with suppress(Unavailable), self._asking:
            asked = self._passed()
            said = self._connection.time()
            self._set(said, timedelta(seconds=asked), timedelta(seconds=self._passed()))

    def _set(self, said: datetime | None, asked: timedelta, answered: timedelta) -> None:
        """No further than it is certainly wrong: an answer may have been on its way for long."""
        if said is None:
            return
        earliest, latest = said - answered, said + _MILLISECOND - asked
        self._zero = min(max(self._zero, earliest), latest)
