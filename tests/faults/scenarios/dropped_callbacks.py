"""Promise 5: what callbacks do not tell is found out soon, and what they tell costs no read."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.asked import FAST, SILENCE, Kind, Load, Look, asked_world, begin, look
from tests.faults.asked import until_all_are_read as until_read
from tests.faults.judge import judge
from tests.faults.mishaps import Mishaps
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.unordered import UnorderedBook

_SHARE = 0.3
_STATES = ("QUEUED", "INITIALIZING", "RUNNING", "COMPLETE")
_KINDS = {
    # Nobody knows whether it calls back.
    "unknown": Kind(Mishaps(dropped=_SHARE)),
    # It is asked only for that of which it says nothing for a while.
    "calling": Kind(Mishaps(dropped=_SHARE), "yes"),
    "faithful": Kind(Mishaps(), "yes", is_followed=False),
}


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    seconds: float


FULL = Size(rate=20, seconds=60)
QUICK = Size(rate=12, seconds=4)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    load = Load(size.rate, size.seconds, _STATES, gap=1.5)
    with asked_world(stage, _KINDS) as (world, servers):
        for name, kind in _KINDS.items():
            begin(world, servers[name], kind, load)
        is_read = until_read(world, servers)
        settled = world.settle(*servers.values(), new_book=UnorderedBook)
        stored = world.stored()
        looks = [look(servers[name], kind, stored) for name, kind in _KINDS.items()]
        dropped, needless = _sum(looks, "dropped"), sum(len(one.needless) for one in looks)
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s of each of {len(looks)} TES servers",
            faults=f"{dropped:,} callbacks dropped, {_SHARE:.0%} of two servers'",
            figures=_figures(looks, needless),
            violations=[
                *([] if is_read else ["not all ends were confirmed"]),
                *(one for each in looks for one in each.violations()),
                *(_said(one) for one in looks if one.needless),
                *_too_many(looks[-1]),
            ],
            void=[
                *([] if dropped else ["nothing was dropped"]),
                # The short form is played beside other tests: the machine is always busy.
                *(one for each in looks for one in each.void if not stage.is_quick),
            ],
        )


def _sum(looks: Sequence[Look], mishap: str) -> int:
    return sum(one.met[mishap] for one in looks)


def _figures(looks: Sequence[Look], needless: int) -> str:
    unequal = sum(len(one.unequal) for one in looks)
    longest = max(one.longest for one in looks)
    faithful = looks[-1]
    return (
        f"{unequal} beliefs unequal; the longest was for {longest:.1f} poll intervals ({FAST:g} s, "
        f"and {SILENCE:g} s where servers call back); {needless} reads of what was fresh; "
        f"{len(faithful.reads)} for {len(faithful.truths)} ends where none was dropped"
    )


def _said(one: Look) -> str:
    return f"{one.name} was asked {len(one.needless)} times for what it had just told"


def _too_many(faithful: Look) -> list[str]:
    """Once for each end."""
    reads, ends = len(faithful.reads), len(faithful.truths)
    return [f"{reads} reads confirmed {ends} ends"] if reads > ends else []


SCENARIO = Scenario(
    "dropped-callbacks",
    5,
    "Of callbacks that are dropped two polls make up; what is told in time costs no poll.",
    play,
    broken=("never_asks", "asks_at_any_time"),
)
