"""Promise 17: `kill -9` of `up`, at any moment, costs nothing that was acknowledged."""

import time
from dataclasses import dataclass
from random import Random

from tests.e2e.up import Up
from tests.faults import seeds
from tests.faults.judge import judge
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.up import end_what_is_left, running_up

# Seconds for what it started to see that it is gone.
_GONE_WITHIN = 10.0
# One of so many does not live until it is ready.
_DIES_YOUNG = 3


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    kills: int


FULL = Size(rate=50, kills=30)
QUICK = Size(rate=30, kills=3)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    fates = seeds.chance(stage.seed, "kills of up")
    with running_up(stage) as world:
        up = world.system.up
        # As long as it may take: it is told when to stop.
        with world.loaded(size.rate, seconds=60 * size.kills) as fleet:
            orphaned = 0
            for number in range(size.kills):
                _live(up, fates, is_to_die_young=number % _DIES_YOUNG == _DIES_YOUNG - 1)
                world.befall()
                up.kill()
                orphaned += not _is_all_gone(up)
                end_what_is_left(up)
            up.start_and_wait()
            fleet.finish()
            settled = world.settle(fleet)
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s, with `up`",
            faults=f"{size.kills} SIGKILLs of `up`",
            violations=[f"{orphaned} of them left processes behind"] if orphaned else [],
        )


def _live(up: Up, fates: Random, *, is_to_die_young: bool) -> None:
    """Until any moment of its start, or of the time after it."""
    if is_to_die_young:
        up.start()
        time.sleep(fates.uniform(0.0, 3.0))
        return
    if not up.is_alive:
        up.start_and_wait()
    time.sleep(fates.uniform(0.1, 2.0))


def _is_all_gone(up: Up) -> bool:
    deadline = time.monotonic() + _GONE_WITHIN
    while up.left() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not up.left()


SCENARIO = Scenario(
    "killed-up",
    17,
    "What `up` has acknowledged is there after `kill -9` of it, and no process is left behind.",
    play,
    broken=("acknowledges_first", "outlives"),
)
