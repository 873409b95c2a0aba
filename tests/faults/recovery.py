"""How long runs that were owed something waited, after a fault, until they were told again."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.faults.book import Book
from tests.faults.ledger import Ledger

# Told of at a time (inf: never) what was acknowledged at a time.
Debt = tuple[float, float]


def longest(faults: Iterable[float], ledger: Ledger) -> float | None:
    """Seconds until the first delivery after a fault, of the run that waited longest for one."""
    times = _accepted_at(ledger)
    debts = _debts(ledger)
    waits = [
        _wait(at, times[run])
        for at in faults
        for run, owed in debts.items()
        if any(since < at < until for since, until in owed)
    ]
    return max(waits, default=None)


def _accepted_at(ledger: Ledger) -> Mapping[str, Sequence[float]]:
    times: dict[str, list[float]] = defaultdict(list)
    for one in ledger.deliveries:
        if one.is_accepted:
            times[one.run].append(one.at)
    return times


def _debts(ledger: Ledger) -> Mapping[str, Sequence[Debt]]:
    debts: dict[str, list[Debt]] = defaultdict(list)
    for book in ledger.books:
        debts[book.run] += debts_of(book)
    return debts


def debts_of(book: Book) -> list[Debt]:
    """Of each state that was acknowledged: in which order, no matter which `seq` it got."""
    acknowledged = sorted(one.answered_at for one in book.acknowledged)
    first: dict[int, float] = {}
    for delivery, told in book.accepted:
        first.setdefault(told.seq, delivery.at)
    told_at = sorted(first.values()) + [float("inf")] * len(acknowledged)
    return list(zip(acknowledged, told_at, strict=False))


def _wait(at: float, times: Sequence[float]) -> float:
    place = bisect_right(times, at)
    return times[place] - at if place < len(times) else float("inf")
