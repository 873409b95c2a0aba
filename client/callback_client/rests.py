"""When to ask a service again that did not answer: by one request at a time, ever more seldom."""

from __future__ import annotations

import threading
from typing import Optional

from callback_client.updates import Clock

FIRST = 0.5
LONGEST = 10.0


class Rests:
    """Many threads ask one service; each says how it went, with the number that it was given.

    Requests that were under way together fail together, and count as one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 0
        self._failures = 0
        self._until = 0.0

    @property
    def is_away(self) -> bool:
        """Whether the last that was heard of the service is a failure."""
        return self._failures > 0

    def begin(self) -> Optional[int]:
        """The number of a request that may be made now; None: not yet."""
        with self._lock:
            if self._failures:
                now = self._clock.now()
                if now < self._until:
                    return None
                # This one tries for all others.
                self._until = now + LONGEST
            return self._number

    def fail(self, number: int, at_least: float = 0.0) -> bool:
        """Rest, for so many seconds at least; returns whether it was well before."""
        with self._lock:
            if number != self._number:
                return False
            self._number += 1
            rest = min(FIRST * 2.0 ** min(self._failures, 16), LONGEST)
            self._until = self._clock.now() + max(rest, at_least)
            self._failures += 1
            return self._failures == 1

    def succeed(self, number: int) -> bool:
        """Go on as usual; returns whether it was away before."""
        with self._lock:
            if number != self._number or not self._failures:
                return False
            self._number += 1
            self._failures = 0
            return True
