"""Promise 1: an acknowledged callback is never lost, whoever is killed."""

from dataclasses import dataclass

from tests.faults import seeds
from tests.faults.judge import judge
from tests.faults.killer import Killer
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import running_world


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    seconds: float
    kills: int


FULL = Size(rate=200, seconds=60, kills=50)
QUICK = Size(rate=40, seconds=12, kills=8)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with running_world(stage, runs=10, api_workers=2) as world:
        killer = Killer(world, seeds.chance(stage.seed, "killer"))
        with world.loaded(size.rate, size.seconds) as fleet:
            killer.kill(size.kills, size.seconds)
            under_load = not fleet.progress().is_over
            settled = world.settle(fleet)
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s for {size.seconds:g} s",
            faults=killer.said(),
            void=[] if under_load else ["all was sent before the last was killed"],
        )


SCENARIO = Scenario(
    "killed-processes",
    1,
    "An acknowledged callback is never lost, whichever process is killed.",
    play,
    broken=("acknowledges_first",),
)
