"""Promise 2: the broker dies, stays away, and comes back empty; nobody has to do anything."""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from tests.e2e.conditions import until
from tests.faults.judge import judge
from tests.faults.rabbitmq import rabbitmq_for
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import World, running_world

# Seconds.
_TOLD_AGAIN_WITHIN = 2.0
_PATIENCE = 60.0
# A sweep comes each second: what is told sooner than this, time after time, was rung for.
_RUNG_WITHIN = 0.4
_RUNG_TIMES = 10


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    away: tuple[float, ...]


FULL = Size(rate=100, away=(8, 30))
QUICK = Size(rate=20, away=(3,))


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with running_world(stage, broker=rabbitmq_for(stage), runs=5) as world:
        pids, told_after = world.pids(), []
        *busy, quiet = sorted(world.runs)
        with world.loaded(size.rate, 600, busy) as fleet, ExitStack() as stack:
            fleet.until_sent(size.rate)
            fleets = [fleet]
            for seconds in size.away:
                world.befall()
                world.system.broker.stop()
                world.system.broker.wipe()
                # Nobody hears of this run again: no later doorbell makes up for lost ones.
                fleets.append(stack.enter_context(world.loaded(6, seconds / 3, [quiet])))
                time.sleep(seconds)
                world.system.broker.start()
                told_after.append(_until_told(world))
                fleet.until_sent(fleet.progress().sent + size.rate)
            fleet.finish()
            settled = world.settle(*fleets)
        rings = stage.broken or _until_rung(world)
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s",
            faults=f"RabbitMQ killed, {' and '.join(f'{one:g} s' for one in size.away)} away, "
            "and back empty",
            figures=f"told {max(told_after):.1f} s after its return",
            violations=[
                *(["processes were restarted"] if world.pids() != pids else []),
                *(["nothing was told within 2 s"] if max(told_after) > _TOLD_AGAIN_WITHIN else []),
                *([] if rings else ["doorbells do not ring again"]),
            ],
        )


def _until_told(world: World) -> float:
    """Seconds until anybody is told anything."""
    began, told = time.monotonic(), world.receivers.counts().told
    until(lambda: world.receivers.counts().told > told, _PATIENCE)
    return time.monotonic() - began


def _until_rung(world: World) -> bool:
    """Whether doorbells are, sooner or later, faster than the sweeper time after time."""
    run = world.runs[min(world.runs)]
    deadline, in_a_row, number = time.monotonic() + _PATIENCE, 0, 0
    while in_a_row < _RUNG_TIMES and time.monotonic() < deadline:
        number += 1
        run.call_back(f"rung-{number}", "RUNNING")
        in_a_row = in_a_row + 1 if _until_told(world) < _RUNG_WITHIN else 0
    return in_a_row == _RUNG_TIMES


SCENARIO = Scenario(
    "broker-emptied",
    2,
    "The broker dies and comes back empty: all is told, and nobody had to do anything.",
    play,
    broken=("never_sweeps",),
)
