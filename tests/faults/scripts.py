"""What receivers answer by a script, and what is promised of when they are asked again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import NamedTuple

_SECOND, _MINUTE, _HOUR = 1.0, 60.0, 3600.0
# As it is promised, in seconds before each attempt. Whoever changes it must change both.
SCHEDULE = (
    0.0,
    5 * _SECOND,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
JITTER = 0.2
LONGEST = 24 * _HOUR


class Word(NamedTuple):
    """An answer; `after` is its Retry-After in seconds, which may be said as a date."""

    status: int
    after: float | None = None
    is_date: bool = False

    def header(self, now: datetime) -> str | None:
        if self.after is None:
            return None
        at = (now + timedelta(seconds=self.after)).astimezone(UTC)
        return format_datetime(at, usegmt=True) if self.is_date else f"{self.after:.0f}"

    def wished(self, now: datetime) -> timedelta:
        if self.after is None:
            return timedelta()
        wish = timedelta(seconds=self.after)
        # A date knows whole seconds only.
        end = (now + wish).replace(microsecond=0)
        return min(end - now if self.is_date else wish, timedelta(seconds=LONGEST))


TAKEN = Word(204)


@dataclass(frozen=True, slots=True)
class Script:
    """What a receiver answers to the attempts of one update."""

    name: str
    words: Sequence[Word]

    @property
    def ending(self) -> Word:
        return self.words[-1]
