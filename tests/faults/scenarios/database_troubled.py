"""Promise 3: a database that stops, hangs or resets costs 503s, and nothing else."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import requests

from tests.e2e.conditions import until
from tests.faults import seeds
from tests.faults.database import ProxiedDatabase
from tests.faults.fleet import STATES, Sending
from tests.faults.judge import judge
from tests.faults.ledger import Ledger
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.toxics import CutAnswers, CutRequests, Silence, Toxic
from tests.faults.world import World, running_world

# Seconds: two are promised, and a busy machine takes some more.
_SOON = 4.0


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    seconds: float


FULL = Size(rate=100, seconds=10)
QUICK = Size(rate=30, seconds=3)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    fates = seeds.chance(stage.seed, "database")
    with running_world(stage, new_database=ProxiedDatabase, runs=5) as world:
        services = [*world.system.apis, *world.system.workers]
        pids = [one.pid for one in services]
        with world.loaded(size.rate, seconds=600) as fleet:
            probes = [
                _stop(world, fleet, size.seconds),
                _befall(world, fleet, Silence(), size.seconds, _probe),
            ]
            _befall(world, fleet, CutAnswers(0.1, fates), size.seconds)
            _befall(world, fleet, CutRequests(0.1, fates), size.seconds)
            fleet.finish()
            settled = world.settle(fleet)
        refused_after = _longest_refusal(settled.ledger)
        twice = _counted_twice(settled.ledger)
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s",
            faults=f"database killed, silent, cut off after the effect (10 % of answers), and in "
            f"mid-request (10 %), {size.seconds:g} s each",
            figures=f"refused after {refused_after:.1f} s at most",
            violations=[
                *(probe for probe in probes if probe),
                *([f"refused after {refused_after:.1f} s"] if refused_after > _SOON else []),
                *([f"{twice} tasks have counted a callback twice"] if twice else []),
                *([] if pids == [one.pid for one in services] else ["processes were restarted"]),
            ],
            void=[] if _has_been_felt(settled.ledger) else ["nobody noticed"],
        )


def _has_been_felt(ledger: Ledger) -> bool:
    totals = ledger.totals()
    return bool(totals.refused or totals.lost)


def _stop(world: World, fleet: Sending, seconds: float) -> str:
    _until_acknowledged(fleet)
    world.befall()
    world.system.database.kill()
    wrong = _probe(world)
    time.sleep(seconds)
    world.system.database.start()
    return wrong


def _befall(
    world: World,
    fleet: Sending,
    toxic: Toxic,
    seconds: float,
    probe: Callable[[World], str] = lambda _: "",
) -> str:
    _until_acknowledged(fleet)
    world.befall()
    world.system.database.proxy.befall(toxic)
    wrong = probe(world)
    time.sleep(seconds)
    world.system.database.proxy.open()
    return wrong


def _until_acknowledged(fleet: Sending) -> None:
    """It works again, and is on its feet when the next trouble comes."""
    before = fleet.progress().acknowledged
    until(lambda: fleet.progress().acknowledged > before + fleet.load.rate, within=60)


def _probe(world: World) -> str:
    """What is wrong with how a callback is refused."""
    url = world.load(1, 1).urls[min(world.runs)][0]
    answer = requests.post(url, json={"id": "probe", "state": "RUNNING"}, timeout=30)
    if answer.status_code != 503:
        return f"a callback was answered {answer.status_code} without a database"
    is_said = answer.headers.get("Retry-After", "").isdigit()
    return "" if is_said else "a 503 did not say when to try again"


def _longest_refusal(ledger: Ledger) -> float:
    times = (
        one.answered_at - one.sent_at
        for book in ledger.books
        for one in book.attempts
        if one.status == 503
    )
    return max(times, default=0.0)


def _counted_twice(ledger: Ledger) -> int:
    """What was refused may have been written: its repetition is no news then."""
    is_plain = {book.task: all(one.status for one in book.attempts) for book in ledger.books}
    return sum(len(book.history) > len(STATES) and is_plain[book.task] for book in ledger.books)


SCENARIO = Scenario(
    "database-troubled",
    3,
    "A database that stops, hangs or resets costs 503s in time: nothing is lost or counted twice.",
    play,
    broken=("believes_in_luck",),
)
