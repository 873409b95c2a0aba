"""Which repeats are excused, by a crash or a busy database: of what was last, under its old id.

A worker that has told a run of something, and whose database did not confirm the note of it in
time, says so. Machines that are busy enough do that to it.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from tests.faults.ledger import Ledger
from tests.faults.records import Delivery
from tests.faults.world import World

# Seconds: a busy receiver takes what a worker sent before it died, but answers after it. No other
# worker tells it again so soon: the lease of the dead one has longer to go, of the three seconds
# for which it was renewed less than one before.
_ANSWERED_LATE = 2.0
_POSTPONED = re.compile(r"delivery\.postponed run=(\S+)")


def postponed(world: World) -> set[str]:
    """The runs of which a worker has said that the database did not confirm in time."""
    said = {run for one in world.system.workers for run in _POSTPONED.findall(one.text())}
    return {name for name, run in world.runs.items() if run.id in said}


def unexcused(crashes: Iterable[float], ledger: Ledger, excused: Collection[str] = ()) -> list[str]:
    """Repeats of what was not the last that a run had taken before some crash.

    `excused` are runs of which the last may be repeated at any time.
    """
    by_run: dict[str, list[Delivery]] = defaultdict(list)
    for one in ledger.deliveries:
        if one.is_accepted:
            by_run[one.run].append(one)
    ordered = sorted(crashes)
    return [
        told
        for run, deliveries in by_run.items()
        for told in _unexcused(ordered, deliveries, may_postpone=run in excused)
    ]


def _unexcused(
    crashes: Sequence[float], deliveries: Sequence[Delivery], *, may_postpone: bool
) -> list[str]:
    seen: set[str] = set()
    before: Delivery | None = None
    wrong = []
    for one in deliveries:
        is_last = before is not None and before.webhook_id == one.webhook_id
        is_excused = is_last and (may_postpone or _is_crash_between(crashes, before, one))
        if one.webhook_id in seen and not is_excused:
            wrong.append(f"{one.run} was told {one.webhook_id} again without a crash")
        seen.add(one.webhook_id)
        before = one
    return wrong


def _is_crash_between(crashes: Sequence[float], before: Delivery, one: Delivery) -> bool:
    return bisect_right(crashes, one.at) > bisect_right(crashes, before.at - _ANSWERED_LATE)
