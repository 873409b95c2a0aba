"""Promise 6: a worker that dies between a receiver's 2xx and its own note of it repeats that."""

from dataclasses import dataclass

from tests.e2e.conditions import until
from tests.faults import seeds
from tests.faults.judge import judge
from tests.faults.ledger import Ledger
from tests.faults.receivers import Manner
from tests.faults.records import Delivery, Told
from tests.faults.repeats import postponed, unexcused
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.world import Settled, World, running_world


@dataclass(frozen=True, slots=True)
class Size:
    rate: float
    kills: int


FULL = Size(rate=100, kills=20)
QUICK = Size(rate=30, kills=2)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    fates = seeds.chance(stage.seed, "receivers that kill")
    with running_world(stage, runs=4) as world:
        with world.loaded(size.rate, seconds=60 * size.kills) as fleet:
            for _ in range(size.kills):
                told = world.receivers.counts().told
                until(lambda told=told: world.receivers.counts().told > told + size.rate)
                _let_a_receiver_kill(world, fates.choice(sorted(world.runs)))
            fleet.finish()
            settled = world.settle(fleet)
        return judge(
            world,
            settled,
            load=f"{size.rate:g}/s",
            faults=f"{size.kills} SIGKILLs of all workers, each by a receiver as it answers 204",
            violations=_wrong_repeats(world, settled),
            void=[] if settled.ledger.totals().repeated else ["nothing was told again"],
        )


def _let_a_receiver_kill(world: World, run: str) -> None:
    # Whoever tells it: nobody knows which of them it will be.
    workers = world.system.workers
    world.receivers.behave(Manner(kills=[worker.pid for worker in workers]), [run])
    until(lambda: not any(worker.is_alive for worker in workers))
    world.befall()
    for worker in workers:
        worker.start()


def _wrong_repeats(world: World, settled: Settled) -> list[str]:
    renamed = settled.ledger.totals().renamed
    return [
        *([f"{renamed} repeats came under other ids"] if renamed else []),
        *_beyond(settled.ledger),
        *unexcused(world.faults, settled.ledger, postponed(world)),
    ]


def _beyond(ledger: Ledger) -> list[str]:
    """Repeats of what was not in the delivery before: that alone was in flight."""
    before: dict[str, Delivery] = {}
    seen: set[tuple[str, Told]] = set()
    wrong = []
    for one in ledger.deliveries:
        if one.is_accepted:
            last = set(before[one.run].updates) if one.run in before else set()
            again = {told for told in one.updates if (one.run, told) in seen} - last
            wrong += [f"{one.run} was told {told.task} {told.seq} again, too" for told in again]
            seen |= {(one.run, told) for told in one.updates}
            before[one.run] = one
    return wrong[:10]


SCENARIO = Scenario(
    "killed-after-telling",
    6,
    "A worker that dies between a receiver's 2xx and its note of it repeats that, and no more.",
    play,
    broken=("repeats_under_new_ids", "starts_over"),
)
