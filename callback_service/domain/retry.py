"""When a delivery that failed is tried again (design: the schedule of Standard Webhooks)."""

from dataclasses import dataclass
from datetime import timedelta

MINUTE, HOUR = 60.0, 3600.0
JITTER = 0.2
MAX_RETRY_AFTER = timedelta(hours=24)
# Seconds before each attempt, the first included.
DEFAULT_SCHEDULE: tuple[float, ...] = (
    0.0,
    5.0,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Seconds to wait before each attempt; when they are used up, nothing more is tried."""

    schedule: tuple[float, ...] = DEFAULT_SCHEDULE

    def delay(
        self, failures: int, chance: float, retry_after: timedelta | None = None
    ) -> timedelta | None:
        """How long to wait after so many failures, or None where no attempt is left.

        `chance` is a random number in [0, 1) that spreads the delay by ±20 %. A
        receiver's Retry-After is waited for in full, up to 24 hours, but never
        shortens the schedule: it must not use up the attempts in seconds.
        """
        if failures >= len(self.schedule):
            return None
        spread = 1 - JITTER + 2 * JITTER * chance
        planned = timedelta(seconds=self.schedule[failures] * spread)
        return max(planned, min(retry_after or timedelta(), MAX_RETRY_AFTER))
