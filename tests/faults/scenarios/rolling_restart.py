"""Promise 11: a rolling restart under load is noticed by nobody."""

import time
from dataclasses import dataclass

from tests.e2e.processes import Api, Process
from tests.faults.fleet import Sending
from tests.faults.judge import judge
from tests.faults.receivers import Manner
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import World, running_world

# Seconds: ten for what is under way (`shutdown_grace`, `gateway.grace`), and some to end.
_GRACE = 15.0


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    rounds: int


FULL = Size(rate=100, rounds=5)
QUICK = Size(rate=30, rounds=1)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with running_world(stage, runs=5) as world:
        # So that there always is something under way.
        world.receivers.behave(Manner(delay=0.5), sorted(world.runs))
        with world.loaded(size.rate, seconds=600) as fleet:
            took = [
                _restart(world, process, fleet)
                for _ in range(size.rounds)
                for process in (*world.system.apis, *world.system.workers)
            ]
            fleet.finish()
            settled = world.settle(fleet)
        totals = settled.ledger.totals()
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s",
            faults=f"{size.rounds} times SIGTERM and start of each API and each worker, in turn",
            figures=f"ended in {max(took):.0f} s at most; {totals.refused} callbacks answered 503, "
            f"{totals.unanswered} without an answer",
            violations=[
                *([f"{totals.repeated} updates were told twice"] if totals.repeated else []),
                *([f"somebody took {max(took):.0f} s to end"] if max(took) > _GRACE else []),
            ],
        )


def _restart(world: World, process: Process, fleet: Sending) -> float:
    """Seconds that it took to end."""
    fleet.until_sent(fleet.progress().sent + fleet.load.rate)
    world.befall()
    began = time.monotonic()
    assert process.terminate(within=60) == 0, process.text()
    took = time.monotonic() - began
    process.start()
    if isinstance(process, Api):
        process.until_ready()
    return took


SCENARIO = Scenario(
    "rolling-restart",
    11,
    "A rolling restart under load: what is under way is finished, and nothing is told twice.",
    play,
    broken=("stops_at_once",),
)
