"""How often a worker looks at the tasks of a server."""

from dataclasses import dataclass
from datetime import datetime, timedelta

EVERY = timedelta(seconds=1)
WANTED = timedelta(seconds=0.2)
# Workers that were started together, and servers that were registered together, part.
JITTER = 0.1
# For the longest part of its time a worker does something else, however many tasks there are.
SHARE = 10


@dataclass
class Rhythm:
    """One server's."""

    looked_at: datetime | None = None
    cost: timedelta = timedelta()
    next_at: datetime | None = None
    spread: float = 1.0

    def note(
        self, began_at: datetime, ended_at: datetime, next_at: datetime | None, chance: float
    ) -> None:
        """After a look; `next_at` is when there will be something to do, as it seems now."""
        self.looked_at, self.cost, self.next_at = began_at, ended_at - began_at, next_at
        self.spread = 1 - JITTER + 2 * JITTER * chance

    def is_time(self, now: datetime, *, is_wanted: bool) -> bool:
        if self.looked_at is None:
            return True
        since = now - self.looked_at
        if since < SHARE * self.cost:
            return False
        is_due = self.next_at is not None and now >= self.next_at
        return is_due or since >= (WANTED if is_wanted else EVERY) * self.spread
