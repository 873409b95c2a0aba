"""Promise 16: when a delivery that failed is tried again, to the millisecond, for three days."""

import asyncio
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench.processes import working
from tests.faults import seeds
from tests.faults.broken.builds import BUILDS
from tests.faults.ledger import Totals
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.scripts import SCHEDULE, TAKEN, Script, Word
from tests.faults.timetable import Outcome, play_all

_DOWN = Word(503)
_DAYS = 3 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Size:
    """How often the whole of the three days is played."""

    runs: int


FULL = Size(runs=200)
QUICK = Size(runs=8)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    scripts = _scripts(size.runs)
    # In a process of its own: what is broken on purpose is broken there only.
    with working(_play, scripts, stage.seed, stage.broken) as work:
        outcome: Outcome = work.result()
    return Result(
        load=f"{len(scripts)} runs, {outcome.attempts:,} deliveries",
        faults="refused, gone, moved, busy, down for three days, on an injected clock",
        totals=_totals(outcome),
        figures="each attempt within 2 ms of when it was due",
        violations=(*outcome.wrong, *_unkept(outcome)),
    )


def _scripts(runs: int) -> list[Script]:
    down = [_DOWN] * len(SCHEDULE)
    return [
        *(Script("down for good", down) for _ in range(runs)),
        Script("down for two days", [*down[:-1], TAKEN]),
        *(Script(f"{one} once", [Word(one), TAKEN]) for one in (408, 425, 429, 500, 502, 504)),
        *(Script(f"{one} at once", [Word(one)]) for one in (400, 401, 403, 404, 405, 413, 451)),
        *(Script(f"moved by a {one}", [Word(one)]) for one in (301, 302, 303, 307, 308)),
        Script("gone", [Word(410)]),
        Script("gone after a while", [*down[:3], Word(410)]),
        *(
            Script(f"Retry-After {after:g} s{' as a date' if is_date else ''} with {status}", words)
            for status in (429, 503)
            for is_date in (False, True)
            for after in (1, 90, 600, 7200, _DAYS)
            for words in [[Word(status, after, is_date), *down[1:4], TAKEN]]
        ),
        Script("busy all along", [Word(429, 1)] * len(SCHEDULE)),
    ]


def _play(pipe: Connection, scripts: list[Script], seed: int, broken: str | None) -> None:
    if broken:
        BUILDS[broken]()
    pipe.send(asyncio.run(play_all(scripts, seeds.chance(seed, "jitter"))))


def _unkept(outcome: Outcome) -> list[str]:
    wrong = [f"{outcome.lost} updates are lost"] if outcome.lost else []
    if outcome.unsigned:
        wrong.append(f"{outcome.unsigned} deliveries were not signed rightly")
    return wrong


def _totals(outcome: Outcome) -> Totals:
    return Totals(
        tasks=outcome.updates,
        sent=outcome.updates,
        acknowledged=outcome.updates,
        refused=0,
        unanswered=0,
        stored=outcome.updates,
        told=outcome.told,
        repeated=0,
        lost=outcome.lost,
        untold=0,
        out_of_order=0,
        strange=0,
        unsigned=outcome.unsigned,
        renamed=0,
    )


SCENARIO = Scenario(
    "schedule",
    16,
    "A delivery that failed is tried again when it is due, and one that is refused is not.",
    play,
    broken=("ignores_retry_after", "has_no_jitter", "takes_a_move_for_a_yes", "tries_the_gone"),
)
