"""The whole system with a fleet before it and receivers behind it, and the books of all three."""

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.processes import COMMAND
from tests.e2e.system import Client, Run, System, running_system
from tests.faults.book import Book
from tests.faults.clocks import monotonic
from tests.faults.fleet import Load, Progress, Sending, progress_of, sending
from tests.faults.ledger import Ledger, open_ledger
from tests.faults.receivers import Receiving, receiving
from tests.faults.records import Move, Stored
from tests.faults.scenario import Stage

DATABASE = "callback-service"
# Seconds.
_ENDING = 4.0
# Nobody waits here for the five minutes that it is by default until the third attempt.
SCHEDULE = (0, *[1] * 19)


@dataclass
class World:
    """`faults`: when they befell it, on the monotonic clock."""

    stage: Stage
    system: System
    receivers: Receiving
    runs: dict[str, Run]
    began: float = field(default_factory=time.monotonic)
    faults: list[float] = field(default_factory=list)
    _names: Iterator[str] = field(default_factory=lambda: map(str, itertools.count(1)))

    def load(self, rate: float, seconds: float, runs: Iterable[str] = (), **more: Any) -> Load:
        """For some of the runs, or all of them; each load has tasks of its own."""
        urls = {name: self._urls(self.runs[name]) for name in runs or self.runs}
        return Load(urls, rate, seconds, seed=self.stage.seed, name=next(self._names), **more)

    def _urls(self, run: Run) -> list[str]:
        path = urlsplit(run.callback_url).path
        return [f"{api.url}{path}" for api in self.system.apis]

    @contextmanager
    def loaded(
        self, rate: float, seconds: float, runs: Iterable[str] = (), **more: Any
    ) -> Iterator[Sending]:
        with sending(self.load(rate, seconds, runs, **more)) as fleet:
            yield fleet

    def befall(self) -> None:
        self.faults.append(time.monotonic())

    def settle(self, *fleets: Sending, new_book: type[Book] = Book) -> "Settled":
        """Wait until all is acknowledged and told, or nothing moves any more; open the books."""
        self.system.revive()
        progress = lambda: progress_of(fleets)  # noqa: E731  as short as what it stands for
        until_still(progress, lambda: progress().is_over, lambda: self.stage.patience)
        until_still(self.receivers.counts, self.is_all_told, self._patience)
        counts = self.receivers.counts
        until_still(counts, lambda: counts().are_settled, lambda: self.stage.patience)
        attempts = [one for fleet in fleets for one in fleet.history()]
        ledger = open_ledger(attempts, self.stored(), self.receivers.history(), new_book)
        return Settled(ledger, progress_of(fleets), self.receivers.counts().deliveries)

    def is_all_told(self) -> bool:
        moves = sum(len(one.history) * len(one.runs) for one in self.stored())
        return self.receivers.counts().told >= moves

    def _patience(self) -> float:
        """Who owes nothing any more will not say more; what is under way ends soon."""
        is_owed = any(one.owed for one in self.stored())
        return self.stage.patience if is_owed else _ENDING

    def stored(self) -> list[Stored]:
        with self.system.database.client() as client:
            return [self.record_of(document) for document in client[DATABASE]["tasks"].find()]

    def record_of(self, task: Mapping[str, Any]) -> Stored:
        return _stored(task, {run.id: name for name, run in self.runs.items()})

    def pids(self) -> list[int]:
        return [process.pid for process in self.system.processes]


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of it, once nothing moves any more."""

    ledger: Ledger
    progress: Progress
    delivered: int

    def imbalances(self) -> list[str]:
        over = [] if self.progress.is_over else ["callbacks were never acknowledged"]
        return over + self.ledger.imbalances(self.progress.sent, self.delivered)


@contextmanager
def running_world(
    stage: Stage, *, runs: int = 10, tasks: Sequence[str] = (), **shape: Any
) -> Iterator[World]:
    """Two APIs and two workers, unless `shape` says otherwise (see `running_system`).

    `tasks`: what every run follows from the beginning.
    """
    shape = {"apis": 2, "workers": 2, "command": command_of(stage), **shape}
    broker = shape.pop("broker", stage.new_broker)
    with ExitStack() as stack:
        receivers = stack.enter_context(receiving(stage.seed))
        system = stack.enter_context(running_system(stage.folder, broker, **shape))
        yield World(stage, system, receivers, register(system.client, receivers, runs, tasks))


def register(
    client: Client, receivers: Receiving, number: int, tasks: Sequence[str] = ()
) -> dict[str, Run]:
    wish: dict[str, Any] = {"retry_schedule": SCHEDULE, **({"tasks": tasks} if tasks else {})}
    known = {}
    for name in (f"run-{one:02d}" for one in range(1, number + 1)):
        known[name] = client.register(f"{receivers.url}{name}", **wish)
        receivers.trust(name, known[name].secret)
    return known


def command_of(stage: Stage, *builds: str) -> tuple[str, ...]:
    """`builds` that are not broken, and only other, and the one that is."""
    all_builds = [*builds, *([stage.broken] if stage.broken else [])]
    if not all_builds:
        return COMMAND
    return (sys.executable, "-m", "tests.faults.broken", "+".join(all_builds))


def _stored(document: Mapping[str, Any], names: Mapping[str, str]) -> Stored:
    return Stored(
        document["task_id"],
        tuple(names[run] for run in document["runs"] if run in names),
        tuple(
            Move(one["seq"], one["state"], one["source"], monotonic(one["at"]))
            for one in document["history"]
        ),
        {names[run]: seq for run, seq in document["delivered"].items() if run in names},
        tuple(names[run] for run in document["owed"] if run in names),
        monotonic(confirmed_at) if (confirmed_at := document.get("confirmed_at")) else None,
    )


def until_still(
    progress: Callable[[], Any], holds: Callable[[], bool], patience: Callable[[], float]
) -> None:
    """Wait for what shall come to pass for as long as anything moves."""
    last, moved_at = progress(), time.monotonic()
    while not holds() and time.monotonic() - moved_at < patience():
        time.sleep(0.2)
        if (now := progress()) != last:
            last, moved_at = now, time.monotonic()
