"""Promise 12: a worker that was stopped past its lease and goes on writes nothing any more."""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.e2e.conditions import until
from tests.e2e.processes import Worker
from tests.faults.judge import judge
from tests.faults.receivers import Manner
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import DATABASE, World, running_world

# Seconds: what is stopped is amid a delivery, and who took it over still is when it goes on.
_SLOW = Manner(delay=4.0)
_WATCHED = 6.0


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    stops: int


FULL = Size(rate=50, stops=10)
QUICK = Size(rate=20, stops=1)


class Lease(NamedTuple):
    run: str
    holder: str
    generation: int

    @property
    def pid(self) -> str:
        return self.holder.split(":")[1]


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with running_world(stage, runs=4) as world:
        fallen = 0
        with world.loaded(size.rate, seconds=60 * size.stops) as fleet:
            fleet.until_sent(size.rate)
            for _ in range(size.stops):
                fallen += _stop_past_lease(world)
            fleet.finish()
            settled = world.settle(fleet)
        refused = sum(worker.text().count("lease.lost") for worker in world.system.workers)
        renamed = settled.ledger.totals().renamed
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s",
            faults=f"{size.stops} times a worker stopped (SIGSTOP) amid a delivery, past its lease",
            figures=f"{refused} late writes refused",
            violations=[
                *(["a late write was not refused"] if fallen else []),
                *([f"{renamed} repeats came under other ids"] if renamed else []),
            ],
            void=[] if refused or fallen else ["nothing was written late"],
        )


def _stop_past_lease(world: World) -> bool:
    """Whether the run was given back by somebody who no longer held its lease."""
    world.receivers.behave(_SLOW, sorted(world.runs))
    stopped, lease = until(lambda: _stop_amid_delivery(world))
    world.befall()
    until(lambda: _lease(world, lease.run).generation > lease.generation)
    taken = _lease(world, lease.run)
    stopped.thaw()
    deadline, fallen = time.monotonic() + _WATCHED, False
    while time.monotonic() < deadline and not fallen:
        fallen = _is_undone(taken, _lease(world, lease.run))
        time.sleep(0.02)
    world.receivers.behave(Manner(), sorted(world.runs))
    return fallen


def _stop_amid_delivery(world: World) -> tuple[Worker, Lease] | None:
    """Stop whoever holds a lease, if he still does when he stands still."""
    by_pid = {str(worker.pid): worker for worker in world.system.workers}
    for lease in map(_read, _runs(world, {"lease.holder": {"$ne": None}})):
        worker = by_pid[lease.pid]
        worker.freeze()
        if _lease(world, lease.run) == lease:
            return worker, lease
        worker.thaw()
    return None


def _is_undone(taken: Lease, now: Lease) -> bool:
    """A generation comes once, and belongs to one: it fell, or somebody else has it as well."""
    if now.generation == taken.generation:
        return now.holder not in {"", taken.holder}
    return now.generation < taken.generation


def _lease(world: World, run: str) -> Lease:
    return _read(_runs(world, {"_id": run})[0])


def _runs(world: World, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    with world.system.database.client() as client:
        return list(client[DATABASE]["runs"].find(wanted))


def _read(document: dict[str, Any]) -> Lease:
    lease = document["lease"]
    return Lease(document["_id"], lease["holder"] or "", lease["generation"])


SCENARIO = Scenario(
    "stopped-past-its-lease",
    12,
    "A worker that was stopped past its lease and resumed has its late writes refused.",
    play,
    broken=("forgets_generations",),
)
