"""Which reads a TES server was asked for although all had just been told."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from callback_service.domain.freshness import CONFIRM_AFTER
from callback_service.domain.states import FINAL
from tests.faults.records import Asked, Attempt

# Seconds that may lie between the look at what is known and the last read that it led to, where
# nothing takes its time.
_LOOK = 1.0
_ROUNDED = 0.05


class Followed(NamedTuple):
    """A task as a worker may know it; `settled_at`: when the read began that confirmed its end.

    `is_joined`: it is known before anything was heard of it, and then asked for at once.
    """

    task: str
    since: float
    heard: Sequence[Attempt]
    settled_at: float
    is_joined: bool = True

    def may_be_asked_for(self, at: float, silence: float, look: float) -> bool:
        """Whether nothing was heard of it for so long, or its end wants to be confirmed."""
        if not self.since <= at <= self.settled_at + look:
            return False
        known = [one for one in self.heard if one.is_acknowledged and one.answered_at < at - look]
        ends = [one.sent_at for one in known if one.state in FINAL]
        if ends:
            return at >= min(ends) + CONFIRM_AFTER.total_seconds() - _ROUNDED
        is_fresh = any(one.sent_at > at - silence + _ROUNDED for one in known)
        return bool(known or self.is_joined) and not is_fresh


def needless(
    asked: Iterable[Asked], tasks: Sequence[Followed], silence: float, delay: float = 0.0
) -> list[Asked]:
    """Reads of a task that was fresh, and lists while all were; `delay` is the machine's own."""
    by_id = {one.task: one for one in tasks}
    return [one for one in asked if not _has_a_cause(one, by_id, silence, _LOOK + delay)]


def _has_a_cause(read: Asked, tasks: dict[str, Followed], silence: float, look: float) -> bool:
    meant = [tasks[read.task]] if read.task in tasks else tasks.values()
    return any(task.may_be_asked_for(read.at, silence, look) for task in meant)
