"""Promise 8: one update that very many runs asked for is told to each of them, once."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.usage import usage_of
from tests.e2e.conditions import until
from tests.e2e.processes import Process
from tests.faults.judge import judge
from tests.faults.killer import replace
from tests.faults.receivers import Manner
from tests.faults.repeats import postponed, unexcused
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import running_world

# As a fleet calls its first one.
_TASK = "task-1-000000"
_STATES = ("QUEUED", "RUNNING", "COMPLETE")
# MiB that a worker or an API may grow at any time, from the first of the updates to the last.
_FLAT = 50
# Seconds.
_LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Size:
    runs: int


FULL = Size(runs=10_000)
# Each delivery marks the one document: a busy database takes more than its time for more.
QUICK = Size(runs=100)


@contextmanager
def growth_of(processes: Sequence[Process]) -> Iterator[dict[str, float]]:
    """By how many MiB each has grown at its worst, by name."""
    before = {one.name: usage_of(one.pid).memory for one in processes}
    grown = dict.fromkeys(before, 0.0)
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_LOOK_EVERY):
            for one in processes:
                grown[one.name] = max(grown[one.name], usage_of(one.pid).memory - before[one.name])

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield grown
    finally:
        is_over.set()
        watching.join()


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with running_world(stage, runs=size.runs, tasks=[_TASK]) as world:
        world.receivers.behave(Manner(hanging_up=0.02), sorted(world.runs))
        doomed, survivor = world.system.workers
        watched = [survivor, *world.system.apis]
        with (
            growth_of(watched) as grown,
            world.loaded(1, 3, [min(world.runs)], states=_STATES, gap=0) as fleet,
        ):
            until(lambda: world.receivers.counts().told > size.runs / 2)
            replace(doomed)
            world.befall()
            settled = world.settle(fleet)
        worst = max(grown.values())
        return judge(
            world,
            settled,
            load=f"1 task, {len(_STATES)} updates, {size.runs:,} runs",
            faults="SIGKILL of a worker in the middle, 2 % of deliveries hung up on",
            figures=f"no other process grew by more than {worst:.0f} MiB",
            violations=[
                *unexcused(world.faults, settled.ledger, postponed(world)),
                *(f"{name} grew by {more:.0f} MiB" for name, more in grown.items() if more > _FLAT),
            ],
        )


SCENARIO = Scenario(
    "many-runs",
    8,
    "An update that very many runs asked for is told to each, and to nobody twice without a crash.",
    play,
    broken=("marks_first", "tells_twice", "hoards_runs"),
)
