"""Promise 7: each run sees a rising `seq` of each task, however often deliveries fail."""

from dataclasses import dataclass

from tests.faults import seeds
from tests.faults.judge import judge
from tests.faults.killer import replace
from tests.faults.receivers import Manner
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import running_world

_MOODS = Manner(refusing=0.15, hanging_up=0.1, delay=0.01, statuses=(500, 503, 429, 408))


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    seconds: float


# A thousand tasks.
FULL = Size(rate=100, seconds=60)
QUICK = Size(rate=40, seconds=6)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    fates = seeds.chance(stage.seed, "order")
    with running_world(stage, runs=10) as world:
        world.receivers.behave(_MOODS, sorted(world.runs))
        with world.loaded(size.rate, size.seconds) as fleet:
            fleet.until_sent(size.rate * size.seconds / 2)
            world.befall()
            replace(fates.choice(world.system.workers))
            settled = world.settle(fleet)
        failed = sum(not one.is_accepted for one in settled.ledger.deliveries)
        tasks = settled.ledger.totals().tasks
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s: {tasks:,} tasks of 6 states",
            faults=f"{failed:,} deliveries refused or hung up on, 1 SIGKILL of a worker",
            void=[] if failed else ["no delivery failed"],
        )


SCENARIO = Scenario(
    "order",
    7,
    "Each run sees the updates of a task in the order of their `seq`, however often they fail.",
    play,
    broken=("tells_newest_first", "marks_first"),
)
