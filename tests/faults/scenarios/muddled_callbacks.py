"""Promise 4: in whichever order callbacks come, and how often: in the end the server is right."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.asked import Kind, Load, Look, asked_world, begin, look
from tests.faults.asked import until_all_are_read as until_read
from tests.faults.fleet import STATES
from tests.faults.judge import judge
from tests.faults.mishaps import Mishaps
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.unordered import UnorderedBook

_ALL = Mishaps(repeated=0.3, late=0.15, overtaken=0.2, replayed=0.2, undone=0.2)
_KINDS = {
    "funnel": Kind(_ALL),
    "tesk": Kind(_ALL, profile="tesk"),
    "calling": Kind(_ALL, "yes"),
}


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    seconds: float


FULL = Size(rate=20, seconds=60)
QUICK = Size(rate=20, seconds=3)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    load = Load(size.rate, size.seconds, STATES, gap=1.2)
    with asked_world(stage, _KINDS) as (world, servers):
        for name, kind in _KINDS.items():
            begin(world, servers[name], kind, load)
        is_read = until_read(world, servers)
        settled = world.settle(*servers.values(), new_book=UnorderedBook)
        stored = world.stored()
        looks = [look(servers[name], kind, stored) for name, kind in _KINDS.items()]
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s of each of {len(looks)} TES servers",
            faults=_faults(looks),
            figures=f"{sum(len(one.unequal) for one in looks)} beliefs unequal; the longest was "
            f"for {max(one.longest for one in looks):.1f} poll intervals",
            violations=[
                *([] if is_read else ["not all ends were confirmed"]),
                *(one for each in looks for one in each.violations()),
            ],
            void=[
                *(f"none was {one}" for one in _SAID if not _sum(looks, one)),
                # The short form is played beside other tests: the machine is always busy.
                *(one for each in looks for one in each.void if not stage.is_quick),
            ],
        )


_SAID = {
    "repeated": "repeated",
    "late": "late",
    "overtaken": "overtaken by the next",
    "undone": "told of an end that was none",
}


def _faults(looks: Sequence[Look]) -> str:
    met = (f"{_sum(looks, mishap):,} {said}" for mishap, said in _SAID.items())
    return f"callbacks: {', '.join(met)}"


def _sum(looks: Sequence[Look], mishap: str) -> int:
    return sum(one.met[mishap] for one in looks)


SCENARIO = Scenario(
    "muddled-callbacks",
    4,
    "Callbacks that are repeated, late or overtaken do no harm: the server's own word stands.",
    play,
    broken=("asks_in_vain", "believes_the_last_word"),
)
