"""What the books say of the promises that every scenario is about."""

from collections.abc import Iterable, Sequence
from typing import Any

from tests.faults.history import tell
from tests.faults.ledger import Ledger, Totals
from tests.faults.recovery import longest
from tests.faults.scenario import Result
from tests.faults.world import Settled, World

# Histories that are shown: the first few say what the others say.
_SHOWN = 3
# Seconds; a fleet that is later than this was not the load that it is said to be.
_LAG_ALLOWED = 1.0
_MAY_ANSWER = {0, 204, 429, 503}


def judge(
    world: World,
    settled: Settled,
    *,
    violations: Iterable[str] = (),
    void: Iterable[str] = (),
    lag_allowed: float = _LAG_ALLOWED,
    **shown: Any,
) -> Result:
    """`lag_allowed` in seconds; `shown`: load, faults and other figures, as they are printed."""
    ledger = settled.ledger
    return Result(
        totals=ledger.totals(),
        recovery=longest(world.faults, ledger),
        violations=(*_broken(ledger.totals()), *_wrong_answers(ledger), *violations),
        void=(*settled.imbalances(), *_late(settled, lag_allowed), *void),
        histories=_histories(ledger, world.began),
        **shown,
    )


def _broken(totals: Totals) -> list[str]:
    phrases = {
        "lost": "acknowledged callbacks are not stored",
        "untold": "stored updates were not told",
        "out_of_order": "updates came out of order",
        "unsigned": "deliveries were not signed rightly",
    }
    return [f"{n} {says}" for name, says in phrases.items() if (n := getattr(totals, name))]


def _wrong_answers(ledger: Ledger) -> list[str]:
    statuses = {one.status for book in ledger.books for one in book.attempts} - _MAY_ANSWER
    return [f"callbacks were answered {status}" for status in sorted(statuses)]


def _late(settled: Settled, allowed: float) -> list[str]:
    lag = settled.progress.lag
    return [f"the fleet was {lag:.1f} s late"] if lag > allowed else []


def _histories(ledger: Ledger, began: float) -> Sequence[str]:
    suspects = [book for book, _ in zip(ledger.suspects(), range(_SHOWN), strict=False)]
    return tuple(tell(book, began) for book in suspects)
