"""Promise 10: twice as much as can be taken is shed, and drains; retries starve nobody."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from bench.percentiles import percentile
from tests.e2e.conditions import until
from tests.faults.fleet import Sending
from tests.faults.judge import judge
from tests.faults.ledger import Ledger
from tests.faults.nuisances import say_by_drops
from tests.faults.receivers import Manner
from tests.faults.records import Attempt
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.telling_times import waits
from tests.faults.world import DATABASE, World, running_world

_TWICE = 2.0
# Less than that many times what can be taken is too little to prove anything.
_ENOUGH = 1.4
# Of what can be taken, this share still is when twice as much comes: half of it goes to refusals.
_STILL_TAKEN = 0.25
# What senders do that are sent away, as they must: they come when `Retry-After` says, or later.
_OBEDIENT: dict[str, Any] = {"is_obedient": True, "pauses": (0.0, 0.5)}
# An answer may take, nine times of ten, this many times what all who are let in take; and so many
# seconds in any case. Nobody waits in a longer queue than that.
_QUEUES = 2.5
_ANSWERED_WITHIN = 2.0
# What is left of a pause in a schedule, at least; and seconds by which a busy machine is late.
_SPREAD, _AIR = 0.8, 1.0
# Retries take so many of the places that deliveries have.
_SHARE = 6
# Seconds until retries have taken them.
_FULL_WITHIN = 10.0
# How often a callback is sent, on the average, where twice as much comes as can be taken.
_TRIES = 12
# Seconds that the runs wait whose receivers refuse, and those whose receivers hang.
_PAUSE = 10
_SCHEDULE = (0, *[1] * 3, *[3] * 16)
# Places for deliveries, and a host's share: two places are left when those who failed hang.
_DELIVERY = {"concurrency": 8, "per_host": 2}


@dataclass(frozen=True, slots=True)
class Size:
    """`hosts` hang, with two runs each, for `patience` seconds each time.

    `at_once` is for each of so many `apis`; what can be taken is measured with `tried` callbacks.
    A run is told for the first time within `soon`.
    """

    seconds: float
    apis: int
    workers: int
    at_once: int
    tried: int
    states: Sequence[str]
    hosts: int
    patience: float
    soon: float


FULL = Size(60.0, 2, 2, 32, 2000, ("QUEUED", "RUNNING", "COMPLETE"), 20, 15.0, 5.0)
QUICK = Size(3.0, 1, 1, 16, 300, ("COMPLETE",), 10, 4.0, 4.0)


def play(stage: Stage) -> Result:
    size = QUICK if stage.is_quick else FULL
    shape = {"apis": size.apis, "workers": size.workers, "callbacks": {"at_once": size.at_once}}
    delivery = {**_DELIVERY, "total_timeout": size.patience}
    with running_world(stage, runs=10, delivery=delivery, **shape) as world, ExitStack() as stack:
        usual = sorted(world.runs)
        (fresh,) = _register(world, "fresh", 1)
        failing = [
            one for n in range(size.hosts) for one in _register(world, f"failing-{n:02d}", 2)
        ]
        refused = _register(world, "refused", 2, (0, *[_PAUSE] * 19))
        # Before the others hang: then all retries wait for their turn.
        fleets = [_refuse(world, stack, refused)]
        capacity, fleet = _capacity(world, stack, size, usual)
        fleets += [fleet, _fail(world, stack, failing)]
        hung_since = time.monotonic()
        began = time.monotonic()
        world.befall()
        many = world.loaded(_TWICE * capacity, size.seconds, usual, states=size.states, **_OBEDIENT)
        crowd = stack.enter_context(many)
        crowd.until_sent(capacity * size.seconds / 2)
        # It is known for the first time now, when those who fail have taken what they can get.
        is_full = _until_full(world, failing, _SHARE * size.workers)
        first = world.loaded(4, 2, [fresh], states=("COMPLETE",), **_OBEDIENT)
        fleets += [crowd, stack.enter_context(first)]
        until(lambda: time.monotonic() > began + size.seconds, within=2 * size.seconds + 30)
        until(lambda: fleets[-1].progress().is_over, within=120)
        world.receivers.behave(Manner(), [*failing, *refused])
        settled = world.settle(*fleets)
        figures = _figures(settled.ledger, crowd, fresh, capacity)
        return judge(
            world,
            settled,
            lag_allowed=float("inf"),
            load=f"{figures.begun:.0f}/s for {size.seconds:g} s, of which {capacity:.0f}/s can be "
            "taken",
            faults=f"{len(failing)} runs whose receivers hang, at {size.hosts} hosts",
            figures=figures.said(),
            violations=[
                *figures.violations(size),
                *_unsaid(crowd),
                *_stormed(settled.ledger, failing, hung_since, size.patience + _SPREAD),
                *_stormed(settled.ledger, refused, 0.0, _PAUSE * _SPREAD),
            ],
            void=[
                *figures.void(),
                *([] if is_full else ["retries had not taken what they can get"]),
            ],
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """Per second, but for `answered_in` and `told_in`, which are seconds."""

    capacity: float
    begun: float
    taken: float
    refused: int
    answered_in: float
    told_in: float
    attempts: float

    def said(self) -> str:
        return (
            f"{self.taken:.0f}/s taken meanwhile, {self.refused:,} answered 503, "
            f"{self.attempts:.1f} attempts for each callback, answers in {self.answered_in:.1f} s "
            f"(p90), a new run told in {self.told_in:.1f} s at most"
        )

    def violations(self, size: Size) -> Iterator[str]:
        if not self.refused:
            yield "nobody was sent away"
        queue = size.at_once * size.apis / self.capacity
        if self.answered_in > max(_ANSWERED_WITHIN, _QUEUES * queue):
            yield f"answers took {self.answered_in:.1f} s"
        if self.taken < _STILL_TAKEN * self.capacity:
            yield f"{self.taken:.0f}/s were taken where {self.capacity:.0f}/s can be"
        if self.attempts > _TRIES:
            yield f"callbacks were sent {self.attempts:.1f} times each"
        if self.told_in > size.soon:
            yield f"a new run was told after {self.told_in:.1f} s"

    def void(self) -> Iterator[str]:
        """The senders share the machine with the service: what counts is what they came to."""
        if self.begun < _ENOUGH * self.capacity:
            yield f"{self.begun:.0f}/s are not twice {self.capacity:.0f}/s"


def _figures(ledger: Ledger, crowd: Sending, fresh: str, capacity: float) -> Figures:
    attempts = crowd.history()
    first: dict[str, float] = {}
    for one in sorted(attempts, key=lambda one: one.sent_at):
        first.setdefault(one.task, one.sent_at)
    taken = [one.answered_at for one in attempts if one.is_acknowledged]
    began, ended = min(first.values()), max(first.values())
    seconds = ended - began
    return Figures(
        capacity,
        begun=len(first) * len(crowd.load.states) / seconds,
        taken=sum(at <= ended for at in taken) / seconds,
        refused=sum(one.status in {429, 503} for one in attempts),
        answered_in=percentile((_took(one) for one in attempts), 0.9) or 0.0,
        told_in=max((one.took for one in waits(ledger, [fresh])), default=float("inf")),
        attempts=len(attempts) / len(taken),
    )


def _took(one: Attempt) -> float:
    return one.answered_at - one.sent_at


def _register(
    world: World, host: str, number: int, schedule: Sequence[float] = _SCHEDULE
) -> list[str]:
    """Runs at a host of their own."""
    url, names = world.receivers.another(), [f"{host}-{n}" for n in range(1, number + 1)]
    for name in names:
        world.runs[name] = world.system.client.register(url + name, retry_schedule=schedule)
        world.receivers.trust(name, world.runs[name].secret)
    return names


def _fail(world: World, stack: ExitStack, failing: Sequence[str]) -> Sending:
    """From now on they hang; they have failed already, so that each attempt is a retry."""
    world.receivers.behave(Manner(hanging_up=1.0), failing)
    before = world.receivers.counts().deliveries
    load = world.loaded(10 * len(failing), 0.1, failing, states=("RUNNING",))
    fleet = stack.enter_context(load)
    until(lambda: world.receivers.counts().deliveries >= before + len(failing))
    world.receivers.behave(Manner(hanging_up=1.0, say=say_by_drops), failing)
    return fleet


def _capacity(
    world: World, stack: ExitStack, size: Size, runs: Sequence[str]
) -> tuple[float, Sending]:
    """Callbacks per second that are taken while each sender waits for its answer."""
    # As many as are let in.
    at_once = size.at_once * size.apis
    load = world.loaded(10 * size.tried, 0.1, runs, states=size.states, gap=0, at_once=at_once)
    fleet = stack.enter_context(load)
    until(lambda: fleet.progress().is_over, within=120)
    history = fleet.history()
    taken = [one for one in history if one.is_acknowledged]
    seconds = max(one.answered_at for one in history) - min(one.sent_at for one in history)
    return len(taken) / seconds, fleet


def _refuse(world: World, stack: ExitStack, refused: Sequence[str]) -> Sending:
    """From now on they say no at once."""
    world.receivers.behave(Manner(refusing=1.0), refused)
    load = world.loaded(10 * len(refused), 0.1, refused, states=("RUNNING",))
    return stack.enter_context(load)


def _until_full(world: World, failing: Sequence[str], places: int) -> bool:
    """Whether retries hold all the places that they may have."""
    ids = [world.runs[name].id for name in failing]
    held = {"_id": {"$in": ids}, "lease.holder": {"$nin": [None, ""]}}
    with world.system.database.client() as client, suppress(AssertionError):
        runs = client[DATABASE]["runs"]
        until(lambda: runs.count_documents(held) >= places, within=_FULL_WITHIN)
        return True
    return False


def _unsaid(crowd: Sending) -> list[str]:
    unsaid = [one for one in crowd.history() if one.status in {429, 503} and not one.later]
    return [f"{len(unsaid)} refusals did not say when to try again"] if unsaid else []


def _stormed(ledger: Ledger, runs: Sequence[str], since: float, apart: float) -> list[str]:
    """Runs that were tried more often than their schedule says: `apart` in seconds, at least."""
    tried = defaultdict(list)
    for one in ledger.deliveries:
        if one.run in runs and one.at >= since and not one.is_accepted:
            tried[one.run].append(one.at)
    return [
        f"{run} was tried {len(times)} times in {max(times) - min(times):.0f} s"
        for run, times in sorted(tried.items())
        if len(times) > (max(times) - min(times) + _AIR) / apart + 1
    ]


SCENARIO = Scenario(
    "overloaded",
    10,
    "Twice as much as can be taken is shed and drains, and retries starve no first attempt.",
    play,
    broken=("sheds_nothing", "retries_take_all_places", "storms"),
)
