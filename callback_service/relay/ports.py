"""The interfaces that the relay calls; `tests/fakes` and `adapters` implement them.

Every method of a store raises `domain.errors.Unavailable` when the database
does not confirm in time. Datetimes are aware, UTC, whole milliseconds.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from callback_service.domain.capability import Capability
from callback_service.domain.delivery import Answer, Attempt, DeadLetter, Item, Span
from callback_service.domain.freshness import Unsettled
from callback_service.domain.outcome import Outcome
from callback_service.domain.polling import Polling
from callback_service.domain.run import Failing, Lease, Rewind, Run
from callback_service.domain.server import Server
from callback_service.domain.sink import Sink
from callback_service.domain.states import State
from callback_service.domain.stuck import WesRun
from callback_service.domain.task import Task, TaskKey


class Clock(Protocol):
    def now(self) -> datetime:
        """The time in UTC, cut to milliseconds, as the database keeps it."""


class Bound(Protocol):
    def __call__(self, seconds: float, /) -> AbstractContextManager[None]:
        """All that is asked of the stores inside takes no longer, or raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Change:
    """A task as it was loaded (None: it was not there), and as it shall be saved."""

    before: Task | None
    after: Task


class Tasks(Protocol):
    """The tasks. What `save` returned for is durable: journaled by a majority."""

    def load(self, keys: Collection[TaskKey]) -> dict[TaskKey, Task]: ...

    def save(self, changes: Sequence[Change]) -> set[TaskKey]:
        """Save each task whose revision is still the one loaded; return who lost that race."""

    def states(self, keys: Collection[TaskKey]) -> dict[TaskKey, State]: ...

    def owed_to(self, run_id: str, limit: int) -> list[Task]:
        """Tasks that owe the run something, longest unchanged first."""

    def mark_told(self, run_id: str, told: Mapping[TaskKey, int]) -> None:
        """Raise what the run was told, and strike the debt where nothing newer came."""

    def rewind(self, run_id: str, rewind: Rewind) -> None:
        """Owe the run again what the rewind names."""

    def creditors(self, skip: int = 0, limit: int = 500) -> set[str]:
        """The ids of the runs that are owed something by a page of the tasks that owe."""

    def leave(self, run_id: str) -> None:
        """Take the run off every task."""

    def set_quiet(self, run_id: str, *, quiet: bool) -> None:
        """Stop owing the run, or owe it whatever it has not been told."""

    def of_run(self, run_id: str, after: str | None, limit: int) -> list[Task]:
        """The tasks that a run follows, in the order of their keys as text."""

    def counts(self, run_id: str) -> tuple[dict[State, int], int]:
        """How many of a run's tasks are in each state, and how many owe it something."""

    def last_change(self, run_id: str) -> datetime | None:
        """When a task of the run moved last, or joined it; None where it has none."""

    def changed_for(self, run_id: str, since: datetime, after: str, limit: int) -> list[Task]:
        """The run's tasks that changed after `since`, or then with a key after `after`.

        In the order of (`updated_at`, key), and without those that never had an update.
        """

    def changed_since(self, since: datetime) -> list[tuple[TaskKey, int, tuple[str, ...]]]:
        """Key, revision and runs of every task that changed at or after a time."""

    def unsettled(self, server: str, limit: int) -> list[Unsettled]:
        """The tasks of all owners on a server that have not ended, or not by its own word."""

    def settle(self, keys: Collection[TaskKey]) -> None:
        """Let tasks that have ended count as settled; of others nothing changes."""

    def forget(self, before: datetime) -> int:
        """Delete tasks that nobody is owed and that were last heard of before a time.

        But not those that a run follows and that have not ended: it is yet to be told.
        """


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What a list of runs is narrowed to; names match by prefix, tags exactly ("" any value)."""

    owner: str
    name_prefix: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    status: str | None = None


class Ending(StrEnum):
    """How a lease ended: nobody asked for the run, somebody knocked, or it was lost before."""

    QUIET = "quiet"
    KNOCKED = "knocked"
    LOST = "lost"


class Runs(Protocol):
    """The runs."""

    def add(self, run: Run) -> None: ...

    def find(self, run_ids: Collection[str]) -> dict[str, Run]: ...

    def outlines(self, run_ids: Collection[str]) -> dict[str, Run]:
        """As `find`, but with an empty `batch` and no `rewind`: these may be many tasks long."""

    def list(self, wanted: RunFilter, after: str | None, limit: int) -> list[Run]:
        """Newest first; `after` is the id of the last one of the page before.

        Those that are ending are left out, unless asked for. Raises
        `CursorExpired` where the run `after` is gone.
        """

    def change(self, run_id: str, fields: Mapping[str, object]) -> None:
        """Set fields of `Run`, but not `lease` and `batch`; one that is ending stays as it is."""

    def rekey(self, run: Run, tokens: Sequence[Capability], secrets: Sequence[Capability]) -> bool:
        """Replace the run's keys, unless others have replaced them since `run` was read."""

    def resume(self, run_id: str) -> None:
        """Make active, due now, with all attempts before it."""

    def due(self, run_ids: Collection[str], now: datetime) -> set[str]:
        """Those among them to whom somebody may deliver now."""

    def overdue(self, now: datetime) -> set[str]:
        """Runs that say of themselves that they are due.

        Their retry's time has come, a batch is open that nobody holds a lease for,
        they asked for a rewind, or they were given up.
        """

    def missing(self, run_ids: Collection[str]) -> set[str]: ...

    def claim(self, run: Run, lease: Lease, batch: Sequence[Span], now: datetime) -> bool:
        """Lease the run if it is due and nobody has leased it since `run` was read."""

    def keep(self, run_id: str, generation: int, batch: Sequence[Span]) -> bool:
        """Under the lease, put down the next batch; False where the lease was lost."""

    def renew(self, holder: str, run_ids: Collection[str], until: datetime) -> None:
        """Lengthen the leases that the holder has on these runs."""

    def knock(self, run_id: str, now: datetime) -> bool:
        """Leave word for whoever holds the lease; False where nobody does (any more)."""

    def close(self, run: Run, generation: int, *, batch: Sequence[Span]) -> Ending:
        """Write how the telling stands, and end the lease; a run that is gone is not given up."""

    def rewound(self, run_id: str, generation: int, rewind: Rewind) -> None:
        """Strike the rewind that was carried out, unless another was asked for meanwhile."""

    def failed(self, run_id: str, generation: int, failing: Failing) -> None:
        """Strike that the run is given up: it was marked, or cannot be. As `rewound`."""

    def going_on(
        self, sinks: Collection[type[Sink]], before: datetime, after: str, limit: int
    ) -> Sequence[Run]:
        """Active and paused runs of all owners with such sinks, in the order of their ids.

        Those that were registered by `before`, and have ids behind `after`.
        """

    def ended(self, now: datetime, limit: int) -> Sequence[str]:
        """Runs that are expired or deleted and still there."""

    def remove(self, run_id: str) -> None: ...


class Servers(Protocol):
    """The registry of TES servers."""

    def add(self, server: Server) -> None:
        """Raise `Conflict` where the key is taken."""

    def find(self, key: str) -> Server | None: ...

    def list(self) -> list[Server]: ...

    def save(self, server: Server) -> bool:
        """Replace all but `polling`, which is forgotten where the `url` is another one."""

    def remove(self, key: str) -> bool: ...

    def claim(self, server: Server, until: datetime) -> bool:
        """Hold the server for a poll, unless it was claimed since `server` was read.

        `polling.claim` goes up by one, and `polling.held_until` is set.
        """

    def hold(self, key: str, claim: int, until: datetime) -> bool:
        """Go on holding it; False where the claim was lost."""

    def polled(self, key: str, claim: int, polling: Polling) -> bool:
        """Write how the poll went and let go, unless the claim was lost.

        `claim`, `wanted_until` and `waited_until` stay as they are, `held_until` is struck.
        """

    def want(self, keys: Collection[str], until: datetime) -> None:
        """Say that clients ask the gateway for these servers' tasks (never shortens)."""

    def wait(self, keys: Collection[str], until: datetime) -> None:
        """Say that others wait for news of these servers' tasks (never shortens)."""


class Method(StrEnum):
    """How a TES server is asked."""

    GET = "GET"
    POST = "POST"


@dataclass(frozen=True, slots=True)
class Question:
    """A request to a TES server; `path` begins behind its base (`/tasks/1:cancel`), quoted.

    `query` is as it stands in a URL. `authorization` is the value of a caller's own
    header; without one, the service shows the credentials configured for the server.
    `is_callers` says that those must not be shown.
    """

    path: str
    method: Method = Method.GET
    query: str = ""
    body: bytes | None = None
    authorization: str | None = None
    is_callers: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a TES server answered, whatever its status; header names are lower-case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class TesServers(Protocol):
    """TES servers, as their clients reach them."""

    def ask(self, server: Server, question: Question) -> Reply:
        """Raises `ServerFailed` where no whole answer came within the bounds of size and time.

        Redirects count as failures. A POST is sent once, whatever happens.
        """


class Fingerprints(Protocol):
    """Credentials that are the servers' business, known by their fingerprints only."""

    def key(self) -> bytes:
        """The secret of this installation by which fingerprints are made; the same for ever."""

    def deny(self, owner: str, server: str, at: datetime) -> None:
        """The server refused the credentials of this owner (never moves back in time)."""

    def denied_at(self, owner: str, server: str) -> datetime | None: ...

    def forget(self, before: datetime) -> int: ...


class Outcomes(Protocol):
    """What clients that repeat a POST on the next base path are answered."""

    def keep(self, outcome: Outcome) -> None:
        """Put it down, or replace the one with this id: who has taken that has taken this."""

    def drop(self, outcome_id: str) -> None:
        """Nobody will repeat it."""

    def take(self, digest: str, rank: int, since: datetime) -> Outcome | None:
        """The likeliest since then of a lower rank that this rank has not taken yet.

        One that is still open is only shown: it is taken when it is there.
        """

    def note_taken(self, outcome_id: str, rank: int) -> None:
        """It was taken elsewhere, where it was kept, too."""

    def forget(self, before: datetime) -> int: ...


class DeliveryLog(Protocol):
    """What was attempted, and what was given up; kept for a while, for people."""

    def add(self, attempts: Sequence[Attempt]) -> None: ...

    def bury(self, letters: Sequence[DeadLetter]) -> None: ...

    def of_run(self, run_id: str, before: datetime | None, limit: int) -> list[Attempt]:
        """Newest first."""

    def dead_letters(self, run_id: str) -> int: ...

    def forget(self, before: datetime) -> int: ...


# Intervals ahead of now at which nobody whose clock is right claims work.
IMPLAUSIBLE = 10


class Ticks(Protocol):
    """Recurring work, claimed by one worker at a time."""

    def claim(self, name: str, now: datetime, next_at: datetime) -> bool:
        """Whether the work is due and is now this caller's until `next_at`.

        Also where it was claimed for a time that is `IMPLAUSIBLE` intervals away, the interval
        being `next_at - now`: whoever did so has a clock that is wrong.
        """


class Doorbell(Protocol):
    """Says that runs are owed something. May be lost; never fails, never waits."""

    def ring(self, run_ids: Iterable[str]) -> None: ...


class Sender(Protocol):
    """Hands items to a sink. Whatever goes wrong out there is an answer, never an exception."""

    async def send(
        self, run: Run, sink: Sink, webhook_id: str, items: Sequence[Item], at: datetime
    ) -> Answer: ...

    async def fail(
        self, run: Run, sink: Sink, webhook_id: str, failing: Failing, at: datetime
    ) -> Answer:
        """Mark the run behind a sink that `can_fail`. A repeat has the same `webhook_id`."""


class WesRuns(Protocol):
    """Runs as cwl-WES keeps them."""

    def look(self, target: str, wes_run_ids: Collection[str]) -> dict[str, WesRun]:
        """Those that are there. Raises `WesUnreadable` where the database cannot be asked."""


class Waiters(Protocol):
    """Clients that wait for a change."""

    def notify(self, topics: Iterable[str]) -> None: ...
