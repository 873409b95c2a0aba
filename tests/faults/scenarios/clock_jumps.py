"""Promise 13: clocks that differ and jump hold up nobody, and nobody is told twice for them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.conditions import until
from tests.e2e.processes import Worker
from tests.faults.judge import judge
from tests.faults.ledger import Ledger
from tests.faults.receivers import Manner
from tests.faults.repeats import unexcused
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.wall_clocks import WallClocks
from tests.faults.world import DATABASE, World, running_world

_HOUR = 3600
_DATABASE = "database"
# What is told then is tried again, and again by whoever thinks that it is due.
_MOODS = Manner(refusing=0.2, delay=0.05)
# Nearly always somebody holds each lease.
_SLOW = Manner(delay=0.5)
# Seconds: a lease's term, a sweep, and a busy machine. An hour is far off.
_WITHIN = 15.0
# Seconds until every process has heard from the database what time it is now.
_HEARD = 3.0
# The build that never leases by the database's clock: nobody in it holds a lease for an hour, and
# what it must be found out by is that it tells twice.
_UNSTRUCK = "goes_by_its_own_clock"


@dataclass(frozen=True, slots=True)
class Size:
    """`apart`: seconds between two jumps."""

    rate: float
    rounds: int
    apart: float


FULL = Size(rate=20, rounds=5, apart=4.0)
QUICK = Size(rate=20, rounds=1, apart=1.2)


@dataclass
class Clocks:
    """All wall clocks of a world, and when the database's was wrong: others go by that one."""

    world: World
    clocks: WallClocks
    jumps: int = 0
    database_jumps: list[float] = field(default_factory=list)
    off: list[tuple[float, float]] = field(default_factory=list)
    unstruck: int = 0
    _off_since: float | None = None

    def set(self, **ahead: int) -> None:
        """In seconds, by the names of the processes."""
        self.world.befall()
        for name, seconds in ahead.items():
            self.clocks.set(seconds, name.replace("_", "-"))
            self.jumps += 1
        if _DATABASE in ahead:
            self._note(ahead[_DATABASE])

    def _note(self, ahead: int) -> None:
        now = time.monotonic()
        self.database_jumps.append(now)
        if self._off_since is not None:
            self.off.append((self._off_since, now + _HEARD))
        self._off_since = now if ahead else None

    def strike(self, kill: Callable[[World], Worker | None]) -> Worker | None:
        """The worker that is dead then, if there was one to be killed."""
        with suppress(AssertionError):
            return until(lambda: kill(self.world), within=_WITHIN)
        self.unstruck += 1
        return None

    def unmet(self) -> list[str]:
        """A fault that did not come to pass proves nothing."""
        return ["nobody was killed who held a lease for an hour"] if self.unstruck else []

    def unfaked(self) -> list[str]:
        names = [one.name for one in self.world.system.processes if not self.clocks.is_in(one.pid)]
        return [f"the clock of {name} cannot be set" for name in names]


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with _world_with_clocks(stage) as (world, clocks):
        unfaked = clocks.unfaked()
        with world.loaded(size.rate, _seconds(size)) as fleet:
            fleet.until_sent(size.rate)
            for _ in range(size.rounds):
                _set_the_services(world, clocks, size)
                _set_the_databases(world, clocks, size)
            settled = world.settle(fleet)
        # A jump of the database costs what a crash does; one of any other clock nothing.
        wrong = unexcused(clocks.database_jumps, settled.ledger)
        result = judge(
            world,
            replace(settled, ledger=_by_that_clock(settled.ledger, clocks)),
            load=f"{size.rate:g}/s",
            faults=f"{clocks.jumps} clocks set, {size.rounds} SIGKILLs of a worker",
            figures="clocks up to 2 h apart",
            violations=[*wrong, *_forgotten(world)],
            void=[*unfaked, *clocks.unmet()],
        )
    return replace(result, violations=(*result.violations, *_held(result)))


@contextmanager
def _world_with_clocks(stage: Stage) -> Iterator[tuple[World, Clocks]]:
    clocks = WallClocks(stage.folder)
    with running_world(stage, runs=6, environ_of=clocks.environ_of) as world:
        yield world, Clocks(world, clocks)


def _seconds(size: Size) -> float:
    return 6 * size.apart * size.rounds


def _set_the_services(world: World, clocks: Clocks, size: Size) -> None:
    """Each API and worker has another time, and then the other's."""
    world.receivers.behave(_MOODS, sorted(world.runs))
    for ahead in (_HOUR, -_HOUR):
        clocks.set(worker_1=ahead, worker_2=-ahead, api_1=-ahead, api_2=ahead)
        time.sleep(size.apart)
    clocks.set(worker_1=0, worker_2=0, api_1=0, api_2=0)
    world.receivers.behave(_SLOW, sorted(world.runs))
    time.sleep(size.apart)


def _set_the_databases(world: World, clocks: Clocks, size: Size) -> None:
    """Ahead; back, and whose leases end in an hour is dead; behind; and right again."""
    clocks.set(database=_HOUR)
    time.sleep(size.apart)
    is_struck = world.stage.broken != _UNSTRUCK
    dead = clocks.strike(_kill_amid_delivery) if is_struck else None
    clocks.set(database=0)
    time.sleep(size.apart)
    if dead:
        dead.start()
    for ahead in (-_HOUR, 0):
        clocks.set(database=ahead)
        time.sleep(size.apart)
    world.receivers.behave(Manner(), sorted(world.runs))


def _kill_amid_delivery(world: World) -> Worker | None:
    """Whoever holds a lease that ends in an hour, if he still does when he stands still."""
    half = datetime.now(UTC) + timedelta(seconds=_HOUR / 2)
    by_pid = {str(worker.pid): worker for worker in world.system.workers}
    for run in _runs(world, {"lease.until": {"$gt": half}}):
        worker = by_pid[run["lease"]["holder"].split(":")[1]]
        worker.freeze()
        if _runs(world, {"_id": run["_id"], "lease": run["lease"]}):
            worker.end()
            return worker
        worker.thaw()
    return None


def _runs(world: World, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    with world.system.database.client() as client:
        return list(client[DATABASE]["runs"].find(wanted))


def _by_that_clock(ledger: Ledger, clocks: Clocks) -> Ledger:
    """Receivers rightly find what was signed then an hour too old, or too new."""
    deliveries = [
        one._replace(is_signed=True)
        if any(since <= one.at <= until for since, until in clocks.off)
        else one
        for one in ledger.deliveries
    ]
    return replace(ledger, deliveries=deliveries)


def _forgotten(world: World) -> list[str]:
    gone = len(world.runs) - len(_runs(world, {}))
    return [f"{gone} runs are gone before their time"] if gone else []


def _held(result: Result) -> list[str]:
    if result.recovery is None or result.recovery <= _WITHIN:
        return []
    return [f"a run that was owed something waited {result.recovery:.1f} s"]


SCENARIO = Scenario(
    "clock-jumps",
    13,
    "Clocks that jump by an hour, and differ: no burst of repeats, no lease held for ever.",
    play,
    broken=("goes_by_its_own_clock", "believes_every_lease"),
)
