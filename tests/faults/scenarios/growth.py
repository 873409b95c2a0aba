"""Promise 14: generations of runs and tasks come and go, and nothing of them stays."""

import time
from contextlib import suppress
from dataclasses import astuple, dataclass, field

import requests

from tests.e2e.conditions import until
from tests.faults.fleet import Sending
from tests.faults.judge import judge
from tests.faults.ledger import Totals
from tests.faults.levels import documents_left, exceeded, most, sample
from tests.faults.receivers import receiving
from tests.faults.records import Stored
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import World, command_of, register, running_world

_DAY = 24 * 60 * 60
# Seconds.
_FORGOTTEN_WITHIN = 20.0
_GENERATION_WITHIN = 120.0
_HANGS_UP_AFTER = 0.2


@dataclass(frozen=True, slots=True)
class Size:
    """`seconds` of each generation, and for how many of them what has ended is `kept`.

    The first generations, `young`, fill caches and pools, and are not compared.
    """

    generations: int
    young: int
    rate: float
    seconds: float
    kept: float
    runs: int


# What comes each ten minutes comes each second: 24 generations of six seconds are a day.
FULL = Size(generations=24, young=8, rate=100, seconds=5, kept=18, runs=5)
QUICK = Size(generations=6, young=2, rate=60, seconds=0.6, kept=2.5, runs=2)


@dataclass
class Generation(World):
    """What was forgotten while the books were open was there, and was seen."""

    seen: dict[str, Stored] = field(default_factory=dict)

    def stored(self) -> list[Stored]:
        self.seen |= {one.task: one for one in super().stored()}
        return list(self.seen.values())


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    kept = {"tasks_days": size.kept / _DAY, "deliveries_days": size.kept / _DAY}
    command = command_of(stage, "hurries")
    with running_world(stage, runs=0, command=command, retention=kept) as world:
        lives, samples = [], []
        for _ in range(size.generations):
            lives.append(_live(world, size))
            samples.append(sample(world))
        is_over = lambda: not documents_left(world)  # noqa: E731  as short as what it stands for
        with suppress(AssertionError):
            until(is_over, within=size.kept + _FORGOTTEN_WITHIN)
        left = documents_left(world)
        old = samples[size.young :]
    return Result(
        load=f"{size.generations} generations of {size.runs} runs, {size.rate:g}/s",
        faults="clients hang up; 600 times as fast as time",
        totals=Totals(*map(sum, zip(*(astuple(one.totals) for one in lives), strict=True))),
        figures=f"{most(old, 'documents'):.0f} documents, {most(old, 'memory'):,.0f} MiB, "
        f"{most(old, 'files'):.0f} files and {most(old, 'sockets'):.0f} sockets at most",
        violations=(
            *(wrong for life in lives for wrong in life.violations),
            *exceeded(old),
            *(f"{count} {name} are never forgotten" for name, count in left.items()),
        ),
        void=tuple(wrong for life in lives for wrong in life.void),
        histories=tuple(one for life in lives for one in life.histories)[:3],
    )


def _live(world: World, size: Size) -> Result:
    """Runs come, are told of all of their tasks, and are deleted."""
    with receiving(world.stage.seed) as receivers:
        runs = register(world.system.client, receivers, size.runs)
        # Tasks of two generations are not the same tasks.
        names = world._names  # noqa: SLF001  they are one world's
        life = Generation(world.stage, world.system, receivers, runs, _names=names)
        with life.loaded(size.rate, size.seconds, gap=0.1) as fleet:
            _hang_up(life)
            _watch(life, fleet)
            settled = life.settle(fleet)
        for run in runs.values():
            run.delete()
    return judge(life, settled, load="", faults="")


def _hang_up(life: Generation) -> None:
    """Clients that wait, and lose patience."""
    for run in life.runs.values():
        with suppress(requests.Timeout):
            life.system.client.ask("GET", f"{run.path}/updates?wait=20", timeout=_HANGS_UP_AFTER)


def _watch(life: Generation, fleet: Sending) -> None:
    """Often enough to see each task before it is forgotten."""
    deadline = time.monotonic() + _GENERATION_WITHIN
    while not fleet.progress().is_over and time.monotonic() < deadline:
        life.stored()
        time.sleep(0.2)


SCENARIO = Scenario(
    "growth",
    14,
    "Generations of runs and tasks come and go: documents, memory, files and sockets level off.",
    play,
    broken=("never_forgets", "hoards", "leaves_open"),
)
