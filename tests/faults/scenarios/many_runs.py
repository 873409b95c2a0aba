"""Promise 8: one update that very many runs asked for is told to each of them, once."""

from dataclasses import dataclass

from bench.usage import usage_of
from tests.e2e.conditions import until
from tests.faults.judge import judge
from tests.faults.killer import replace
from tests.faults.receivers import Manner
from tests.faults.repeats import postponed, unexcused
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import running_world

# As a fleet calls its first one.
_TASK = "task-1-000000"
_STATES = ("QUEUED", "RUNNING", "COMPLETE")
# MiB that a worker may have grown by the last of the updates.
_FLAT = 50


@dataclass(frozen=True, slots=True)
class Size:
    runs: int


FULL = Size(runs=10_000)
# Each delivery marks the one document: a busy database takes more than its time for more.
QUICK = Size(runs=100)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with running_world(stage, runs=size.runs, tasks=[_TASK]) as world:
        world.receivers.behave(Manner(hanging_up=0.02), sorted(world.runs))
        doomed, survivor = world.system.workers
        before = usage_of(survivor.pid).memory
        with world.loaded(1, 3, [min(world.runs)], states=_STATES, gap=0) as fleet:
            until(lambda: world.receivers.counts().told > size.runs / 2)
            replace(doomed)
            world.befall()
            settled = world.settle(fleet)
        grown = usage_of(survivor.pid).memory - before
        return judge(
            world,
            settled,
            load=f"1 task, {len(_STATES)} updates, {size.runs:,} runs",
            faults="SIGKILL of a worker in the middle, 2 % of deliveries hung up on",
            figures=f"the other worker grew by {grown:.0f} MiB",
            violations=[
                *unexcused(world.faults, settled.ledger, postponed(world)),
                *([f"a worker grew by {grown:.0f} MiB"] if grown > _FLAT else []),
            ],
        )


SCENARIO = Scenario(
    "many-runs",
    8,
    "An update that very many runs asked for is told to each, and to nobody twice without a crash.",
    play,
    broken=("marks_first",),
)
