"""How long runs waited for what was acknowledged to reach them."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from tests.faults.ledger import Ledger
from tests.faults.recovery import debts_of

# From and until when, on the monotonic clock.
Phase = tuple[float, float]


class Wait(NamedTuple):
    """`took` in seconds since the acknowledgement; inf where it was never told."""

    since: float
    took: float


def waits(ledger: Ledger, runs: Collection[str]) -> Iterator[Wait]:
    for book in ledger.books:
        if book.run in runs:
            # Its sender may hear of the 204 after the receiver has the update.
            yield from (Wait(at, max(0.0, told - at)) for at, told in debts_of(book))


def those_in(phase: Phase, waited: Iterable[Wait]) -> list[float]:
    """Of what was acknowledged meanwhile."""
    began, ended = phase
    return [one.took for one in waited if began <= one.since < ended]
