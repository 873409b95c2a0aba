"""What was sent, what was acknowledged, what arrived: and whether that is the same."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Change(NamedTuple):
    """One change of one task's state: what is sent, and what must arrive, once."""

    task: str
    state: str


class Sent(NamedTuple):
    """One callback; times in seconds on the monotonic clock.

    `lag`: how much later than due the generator got round to it.
    """

    change: Change
    due: float
    lag: float
    answered: float
    status: int

    @property
    def is_acknowledged(self) -> bool:
        return self.status == 204


class Arrived(NamedTuple):
    """One update in a delivery."""

    change: Change
    at: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """`refused` were not acknowledged; whether they arrive is open.

    `strange` arrived without having been sent.
    """

    acknowledged: int
    refused: int
    told: int
    repeated: int
    lost: int
    strange: int

    @property
    def is_balanced(self) -> bool:
        """Every acknowledged change arrived, and nothing that was not sent."""
        return not self.lost and not self.strange


def balance(sent: Iterable[Sent], arrived: Iterable[Arrived]) -> Ledger:
    sent = list(sent)
    known = {one.change for one in sent}
    owed = {one.change for one in sent if one.is_acknowledged}
    times = Counter(one.change for one in arrived)
    return Ledger(
        acknowledged=len(owed),
        refused=len(sent) - len(owed),
        told=len(owed & times.keys()),
        repeated=sum(count - 1 for count in times.values()),
        lost=len(owed - times.keys()),
        strange=len(times.keys() - known),
    )


def delays(sent: Iterable[Sent], arrived: Iterable[Arrived]) -> list[float]:
    """Seconds from when a callback was due to when its update first arrived."""
    first: dict[Change, float] = {}
    for change, at in arrived:
        first.setdefault(change, at)
    return [first[one.change] - one.due for one in sent if one.change in first]
