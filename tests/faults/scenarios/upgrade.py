"""Promise 15: what the former release wrote and still owed is read, kept and told by this one."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import requests

from callback_service.adapters.mongo.schema import VERSION
from tests.e2e.conditions import until
from tests.e2e.system import Run
from tests.faults.former import DATABASE, FormerDatabase, attempts_of, deliveries_of
from tests.faults.judge import judge
from tests.faults.ledger import open_ledger
from tests.faults.receivers import receiving
from tests.faults.records import Attempt, Stored
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import Settled, World, command_of, running_system

# Whose receivers are there; the others pull, or are in another format.
_RUNS = ("told", "down")
# Seconds. Workers look at once, and after a minute again if the database was too busy to confirm.
_MIGRATED_WITHIN = 75.0


@dataclass(frozen=True, slots=True)
class Size:
    """`copies` of each old task; `ends`: old tasks that go on."""

    copies: int
    ends: int
    rate: float
    seconds: float


FULL = Size(copies=2000, ends=200, rate=100, seconds=20)
QUICK = Size(copies=40, ends=20, rate=30, seconds=2)


@dataclass
class Upgraded(World):
    """`before`: what was stored when this release started."""

    before: Sequence[Stored] = field(default_factory=tuple)

    def is_all_told(self) -> bool:
        moves = sum(len(one.history) * len(one.runs) for one in self.stored())
        told_before = sum(sum(one.delivered.values()) for one in self.before)
        return self.receivers.counts().told >= moves - told_before


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    with receiving(stage.seed) as receivers:
        sinks = {name: f"{receivers.url}{name}" for name in _RUNS}
        former = partial(FormerDatabase, sinks=sinks, copies=size.copies)
        shape = {"apis": 2, "workers": 2, "command": command_of(stage), "new_database": former}
        with running_system(stage.folder, stage.new_broker, **shape) as system:
            database = system.database
            for name, secret in database.secrets.items():
                receivers.trust(name, secret)
            runs = {name: _run(database, name) for name in _RUNS}
            world = Upgraded(stage, system, receivers, runs)
            world.before = [world.record_of(task) for task in database.tasks]
            with world.loaded(size.rate, size.seconds) as fleet:
                ends = [_end(world, number) for number in range(size.ends)]
                world.befall()
                settled = _with_before(world, world.settle(fleet), fleet.history(), ends)
            is_migrated = _is_migrated(world)
            changed = _changed(world)
    return judge(
        world,
        settled,
        load=f"{size.rate:g}/s for {size.seconds:g} s",
        faults=f"{len(world.before):,} tasks of the former schema, owed "
        f"{sum(bool(one.owed) for one in world.before):,} times; {size.ends} of them go on",
        violations=[
            *(["the schema was not brought up to date"] if not is_migrated else []),
            *([f"{changed} tasks are not what they were"] if changed else []),
        ],
    )


def _run(database: FormerDatabase, name: str) -> Run:
    return Run(
        None,
        {
            "id": database.left["runs"][name],
            "callback_url": database.left["callback_urls"][name],
            "secret": database.secrets[name],
            "created_at": "2026-01-01T00:00:00Z",
        },
    )


def _end(world: World, number: int) -> Attempt:
    """An old task goes on, by the callback URL of before."""
    task = f"owed-{number + 1:04d}"
    urls = world.load(1, 1).urls["down"]
    began = time.monotonic()
    status = requests.post(
        urls[number % len(urls)], json={"id": task, "state": "COMPLETE"}, timeout=30
    ).status_code
    return Attempt("down", task, "COMPLETE", began, time.monotonic(), status)


def _with_before(
    world: Upgraded, settled: Settled, attempts: Sequence[Attempt], ends: Sequence[Attempt]
) -> Settled:
    """The books go on where the former release left them."""
    before, told = list(attempts_of(world.before)), list(deliveries_of(world.before))
    deliveries = [*told, *settled.ledger.deliveries]
    ledger = open_ledger([*before, *attempts, *ends], world.stored(), deliveries)
    # Beside those that the fleet has counted.
    beside = [*before, *ends]
    progress = settled.progress._replace(sent=settled.progress.sent + len(beside))
    return replace(
        settled, ledger=ledger, progress=progress, delivered=settled.delivered + len(told)
    )


def _is_migrated(world: World) -> bool:
    def says_so() -> bool:
        with world.system.database.client() as client:
            found = client[DATABASE]["schema"].find_one() or {}
            return found.get("version") == VERSION

    try:
        until(says_so, within=_MIGRATED_WITHIN)
    except AssertionError:
        return False
    return True


def _changed(world: Upgraded) -> int:
    """Old tasks that are gone, or of which something is gone."""
    now = {one.task: one for one in world.stored()}
    return sum(
        before.task not in now
        or tuple(now[before.task].history[: len(before.history)]) != tuple(before.history)
        for before in world.before
    )


SCENARIO = Scenario(
    "upgrade",
    15,
    "What the former release wrote is read, kept and told by this one.",
    play,
    broken=("never_migrates", "calls_it_even"),
)
