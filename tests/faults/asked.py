"""A world whose TES servers can be asked, and whether what is believed becomes what they say."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from callback_service.domain.doubt import SETTLING
from callback_service.domain.states import FINAL
from tests.e2e.conditions import until
from tests.faults.beliefs import Span, belief, undone_ends, unequal
from tests.faults.mishaps import Mishaps
from tests.faults.polls import Followed, needless
from tests.faults.records import Asked, Attempt, Stored, Truth
from tests.faults.scenario import Stage
from tests.faults.tes_servers import Engine, TesServer, tes_serving
from tests.faults.world import DATABASE, SCHEDULE, World, running_world

# Seconds: between two looks at a server's moving tasks, and for which one that calls back may say
# nothing of a task. They are so short that nobody has to wait for them to pass.
FAST, SILENCE = 2.0, 4.0
_RUNS = 2
# Longer than any fleet is on its way.
_LONGEST = 300.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A TES server: `calls_back` is what the operator says of it, and `mishaps` what is true.

    Where no run has followed its tasks before, its callbacks are all that is known of them.
    """

    mishaps: Mishaps
    calls_back: str = "unknown"
    profile: str = "funnel"
    is_followed: bool = True

    @property
    def interval(self) -> float:
        """Seconds after which a task is asked for of which nothing else is heard."""
        return SILENCE if self.calls_back == "yes" else FAST

    def allows(self, span: Span) -> float:
        """Seconds: two intervals, after those for which the end of a task is not doubted."""
        is_end = not FINAL.isdisjoint(span.believed)
        return 2 * self.interval + (SETTLING.total_seconds() if is_end else 0.0)


class Load(NamedTuple):
    """Of one server: `rate` in callbacks per second; `gap` in seconds, on the average."""

    rate: float
    seconds: float
    states: Sequence[str]
    gap: float


@contextmanager
def asked_world(
    stage: Stage, kinds: Mapping[str, Kind]
) -> Iterator[tuple[World, dict[str, TesServer]]]:
    """Servers by name, with runs whose names begin with the server's."""
    profiles = {name: kind.profile for name, kind in kinds.items()}
    asking = {"fast": FAST, "silence": SILENCE}
    with (
        tes_serving(profiles, stage.seed) as servers,
        running_world(stage, runs=0, servers=asking) as world,
    ):
        for name, kind in kinds.items():
            _register(world, servers[name], kind)
        yield world, servers


def _register(world: World, server: TesServer, kind: Kind) -> None:
    client = world.system.client
    wish = {"name": server.name, "url": server.url, "calls_back": kind.calls_back}
    client.post("/v1/servers", wish)
    for number in range(1, _RUNS + 1):
        run = f"{server.name}-{number}"
        sink = f"{world.receivers.url}{run}"
        world.runs[run] = client.register(sink, retry_schedule=SCHEDULE, server=server.name)
        world.receivers.trust(run, world.runs[run].secret)


def begin(world: World, server: TesServer, kind: Kind, load: Load) -> None:
    client = world.system.client
    runs = [run for run in world.runs if run.rpartition("-")[0] == server.name]
    urls = {run: f"{client.url}{world.runs[run].path}/tasks" for run in runs}
    engine = Engine(server.name, client.token, urls) if kind.is_followed else None
    sent = world.load(load.rate, load.seconds, runs, states=load.states, gap=load.gap)
    server.begin(sent, kind.mishaps, engine)


def until_all_are_read(world: World, servers: Mapping[str, TesServer]) -> bool:
    """Whether every server has confirmed how each of its tasks ended, in good time."""
    until(lambda: all(one.progress().is_over for one in servers.values()), within=_LONGEST)
    deadline = time.monotonic() + world.stage.patience
    with world.system.database.client() as client:
        tasks = client[DATABASE]["tasks"]
        while tasks.find_one({"unsettled": {"$exists": True}}):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
    return True


class Look(NamedTuple):
    """What one server's tasks were, and were believed to be; `reads` are what it was asked.

    `delay`: seconds by which a poll may be late because the machine is busy with other things.
    """

    name: str
    kind: Kind
    truths: Sequence[Truth]
    spans: Sequence[Span]
    unequal: Sequence[str]
    reads: Sequence[Asked]
    needless: Sequence[Asked]
    met: Counter[str]
    undone: Sequence[str]
    delay: float

    @property
    def too_long(self) -> list[Span]:
        return [one for one in self.spans if one.seconds > self.kind.allows(one) + self.delay]

    @property
    def void(self) -> list[str]:
        """A machine that was so busy says nothing of two intervals."""
        is_late = self.delay > self.kind.interval
        return [f"{self.name}: polls may have been {self.delay:.1f} s late"] if is_late else []

    @property
    def longest(self) -> float:
        """In poll intervals, without the time for which ends are not doubted."""
        more = (one.seconds - self.kind.allows(one) for one in self.spans)
        return max(more, default=-2 * self.kind.interval) / self.kind.interval + 2

    def violations(self) -> list[str]:
        return [
            *(f"{self.name}: {one} is not believed to be what it is" for one in self.unequal),
            *(f"{self.name}: {one.said()}" for one in self.too_long),
            *(f"{self.name}: {one}" for one in self.undone),
        ]


def look(server: TesServer, kind: Kind, stored: Sequence[Stored]) -> Look:
    documents = {one.task: one for one in stored}
    heard: dict[str, list[Attempt]] = {}
    for one in server.history():
        heard.setdefault(one.task, []).append(one)
    truths, reads, now = server.truths(), server.asked(), time.monotonic()
    delay = _delay(one for each in heard.values() for one in each)
    followed = [
        _followed(one, heard.get(one.task, []), documents.get(one.task), is_joined=kind.is_followed)
        for one in truths
    ]
    return Look(
        server.name,
        kind,
        truths,
        [
            span.after(heard.get(one.task, [])) if kind.calls_back == "yes" else span
            for one in truths
            for span in unequal(one, belief(documents.get(one.task)), now)
        ],
        [one.task for one in truths if not _is_equal(one, documents.get(one.task))],
        reads,
        needless(reads, followed, kind.interval, delay),
        server.met(),
        [
            one
            for truth in truths
            if (known := documents.get(truth.task))
            for one in undone_ends(known)
        ],
        delay,
    )


def _delay(attempts: Iterable[Attempt]) -> float:
    """A poll reads from the database and writes into it, as a callback does."""
    return 2 * max((one.answered_at - one.sent_at for one in attempts), default=0.0)


def _is_equal(truth: Truth, stored: Stored | None) -> bool:
    believed = belief(stored)
    return bool(believed) and believed[-1].state == truth.turns[-1].state


def _followed(
    truth: Truth, heard: Sequence[Attempt], stored: Stored | None, *, is_joined: bool
) -> Followed:
    is_settled = stored is not None and stored.confirmed_at is not None and _is_equal(truth, stored)
    settled_at = stored.confirmed_at if stored and is_settled else float("inf")
    return Followed(truth.task, truth.turns[0].at, heard, settled_at, is_joined)
