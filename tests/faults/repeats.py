"""Which repeats a crash excuses: of what was in flight then, and under the same id."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.faults.ledger import Ledger
from tests.faults.records import Delivery

# Seconds: a busy receiver takes what a worker sent before it died, but answers after it. No other
# worker tells it again so soon: the lease of the dead one has longer to go.
_ANSWERED_LATE = 2.0


def unexcused(crashes: Iterable[float], ledger: Ledger) -> list[str]:
    """Repeats of what was not the last that a run had taken before some crash."""
    by_run: dict[str, list[Delivery]] = defaultdict(list)
    for one in ledger.deliveries:
        if one.is_accepted:
            by_run[one.run].append(one)
    ordered = sorted(crashes)
    return [told for one in by_run.values() for told in _unexcused(ordered, one)]


def _unexcused(crashes: Sequence[float], deliveries: Sequence[Delivery]) -> list[str]:
    seen: set[str] = set()
    before: Delivery | None = None
    wrong = []
    for one in deliveries:
        if one.webhook_id in seen and not _is_excused(crashes, before, one):
            wrong.append(f"{one.run} was told {one.webhook_id} again without a crash")
        seen.add(one.webhook_id)
        before = one
    return wrong


def _is_excused(crashes: Sequence[float], before: Delivery | None, one: Delivery) -> bool:
    """It follows itself, and somebody died in between."""
    if before is None or before.webhook_id != one.webhook_id:
        return False
    return bisect_right(crashes, one.at) > bisect_right(crashes, before.at - _ANSWERED_LATE)
