"""How often a worker looks at the tasks of a server."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from callback_service.domain.freshness import WANTED

# While it has none that are open, and while it has some.
IDLE = timedelta(seconds=1)
BUSY = timedelta(seconds=0.2)
# Workers that were started together, and servers that were registered together, part.
JITTER = 0.1
# Of its time a worker spends this part on looks at one server, and this one on all of them.
ONE, ALL = 10, 3


@dataclass
class Rhythm:
    """One server's; `cost` is how long the last look took."""

    looked_at: datetime | None = None
    cost: timedelta = timedelta()
    wait: timedelta = timedelta()
    is_idle: bool = False

    def note(self, began_at: datetime, ended_at: datetime, chance: float, *, is_idle: bool) -> None:
        self.looked_at, self.cost, self.is_idle = began_at, ended_at - began_at, is_idle
        spread = 1 - JITTER + 2 * JITTER * chance
        self.wait = IDLE * spread if is_idle else BUSY

    def is_time(self, now: datetime, total_cost: timedelta, *, is_awaited: bool) -> bool:
        if self.looked_at is None:
            return True
        # Nothing is due any sooner, however many wait.
        wait = WANTED if is_awaited else self.wait
        return now - self.looked_at >= max(wait, ONE * self.cost, ALL * total_cost)
