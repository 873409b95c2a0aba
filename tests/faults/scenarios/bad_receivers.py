"""Promise 9: receivers that are a nuisance make nobody else wait."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median_low

from bench.percentiles import percentile
from tests.faults.fleet import Sending
from tests.faults.judge import judge
from tests.faults.ledger import Ledger
from tests.faults.nuisances import Nuisances
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.telling_times import Phase, those_in, waits
from tests.faults.world import World, running_world

_ALLOWED = 1.5
# Five hosts that hang fill all places, as with the settings that ship (500, and 100 for a host).
# Of the kinds here three hang; five hosts that did would make others wait until one gives up.
_DELIVERY = {"concurrency": 10, "per_host": 2}


@dataclass(frozen=True, slots=True)
class Size:
    """`good` and `bad`: what is called back per second; `each`: runs of a kind of nuisance.

    In seconds: how long a delivery may take (`patience`), for how long nuisances are called back
    and the others' waits compared in each round, with and without them, and the wait below which
    none is long (`floor`).
    """

    good: float
    bad: float
    runs: int
    each: int
    workers: int
    patience: float
    rounds: int
    called_back: float
    compared: float
    floor: float
    share: float


FULL = Size(40, 20, 10, 14, 2, 15.0, 3, 20.0, 20.0, floor=0.05, share=0.99)
# What is told in so little time says nothing of the slowest in a hundred, least of all where the
# machine has something else to do; who waits for a receiver that hangs waits for seconds.
QUICK = Size(10, 70, 5, 7, 1, 3.0, 2, 0.5, 1.5, floor=0.5, share=0.75)


@dataclass
class Rounds:
    """The same is called back in a phase with nuisances as in one without."""

    world: World
    size: Size
    nuisances: Nuisances
    stack: ExitStack
    fleets: list[Sending] = field(default_factory=list)
    quiet: list[Phase] = field(default_factory=list)
    loud: list[Phase] = field(default_factory=list)
    met: list[Phase] = field(default_factory=list)
    has_looked_up: bool = False

    def play(self) -> None:
        self.quiet.append(self._phase())
        self.world.befall()
        self.nuisances.begin()
        began = time.monotonic()
        self.loud.append(self._phase())
        self.has_looked_up |= self.nuisances.are_looked_up()
        # Who stalls is only written down now.
        self.nuisances.end()
        self.met.append((began, time.monotonic()))

    def _phase(self) -> Phase:
        size, names = self.size, self.nuisances.names
        load = self.world.loaded(size.bad, size.called_back, names, states=("COMPLETE",))
        self.fleets.append(self.stack.enter_context(load))
        # Each of them once.
        self.fleets[-1].until_sent(len(names))
        began = time.monotonic()
        time.sleep(size.compared)
        return began, time.monotonic()


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    delivery = {**_DELIVERY, "total_timeout": size.patience}
    with running_world(stage, workers=size.workers, runs=size.runs, delivery=delivery) as world:
        good = sorted(world.runs)
        nuisances = Nuisances(world, size.each, size.patience)
        with world.loaded(size.good, 600, good) as fleet, ExitStack() as stack:
            fleet.until_sent(size.good)
            rounds = Rounds(world, size, nuisances, stack)
            for _ in range(size.rounds):
                rounds.play()
            fleet.finish()
            settled = world.settle(fleet, *rounds.fleets)
        waited = list(waits(settled.ledger, good))
        # What the machine does by itself comes in some rounds, what nuisances do in each.
        quiet, loud = (
            median_low([percentile(those_in(one, waited), size.share) or 0.0 for one in phases])
            for phases in (rounds.quiet, rounds.loud)
        )
        figures = (
            f"p{size.share * 100:.0f} of the others' waits {quiet * 1000:.0f} ms without them, "
            f"{loud * 1000:.0f} ms with them"
        )
        is_long = loud > _ALLOWED * max(quiet, size.floor)
        unmet = _unmet(settled.ledger, rounds)
        return judge(
            world,
            settled,
            load=f"{size.good:g}/s to {len(good)} runs, {size.bad:g}/s to {len(nuisances.names)} "
            "that are a nuisance at times",
            faults=f"{size.each} receivers each that stall ({size.patience - 0.1:g} s), reset, do "
            "not resolve, answer endlessly, drip",
            figures=figures,
            violations=[figures] if is_long else [],
            # Where they wait for one another some have no turn.
            void=[f"nobody met one that is {kind}" for kind in unmet if not is_long],
        )


def _unmet(ledger: Ledger, rounds: Rounds) -> list[str]:
    """Kinds that were no nuisance to anybody."""
    met = {
        one.run.partition("-")[0]
        for began, ended in rounds.met
        for one in ledger.deliveries
        if began <= one.at < ended
    }
    met |= {"unresolved"} if rounds.has_looked_up else set()
    return sorted(set(rounds.nuisances.kinds) - met)


SCENARIO = Scenario(
    "bad-receivers",
    9,
    "Receivers that stall, reset, do not resolve, answer endlessly or drip make nobody else wait.",
    play,
    broken=("tells_one_after_the_other", "shares_all_places"),
)
