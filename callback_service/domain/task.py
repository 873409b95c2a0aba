"""One TES task as one owner's runs know it, and the rules by which it is believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple, Self
from urllib.parse import quote

from callback_service.domain.states import Source, State

# A task moves a handful of times; one that moves for ever must not outgrow its document.
HISTORY_LIMIT = 256
# A server that has lost a task says so twice, this far apart: the first time it may only be late
# to know of it, or in the middle of a restart.
MISSING_FOR = timedelta(minutes=2)
LOST = "the TES server no longer knows the task: it was asked twice, minutes apart"


class TaskKey(NamedTuple):
    """What makes a task: owners never share one, so no token of one changes another's belief."""

    owner: str
    server: str
    task_id: str

    def __str__(self) -> str:
        # The owner is quoted and server keys have no slash: whatever is behind
        # the second slash is the task id as the server wrote it.
        return f"{quote(self.owner, safe='')}/{self.server}/{self.task_id}"


@dataclass(frozen=True, slots=True)
class Update:
    """One change of a task's state; `seq` counts 1, 2, 3… per task."""

    seq: int
    state: State
    at: datetime
    source: Source
    # Why, where it is this service that concluded it.
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """The truth about a task, and what is still owed to the runs that follow it.

    `runs` follow the task; the `quiet` ones among them pull and are never owed
    anything. `joined` keeps when a run came to updates that were there already.
    `is_tagged` says that a list of the server can be narrowed down to it;
    `missing_at`, when the server first said that it knows no such task;
    `accepted_at`, when it last let the owner see it on credentials of the owner's own.
    """

    key: TaskKey
    state: State = State.UNKNOWN
    seq: int = 0
    history: tuple[Update, ...] = ()
    runs: tuple[str, ...] = ()
    quiet: frozenset[str] = frozenset()
    joined: Mapping[str, datetime] = field(default_factory=dict)
    delivered: Mapping[str, int] = field(default_factory=dict)
    owed: frozenset[str] = frozenset()
    rev: int = 0
    updated_at: datetime | None = None
    heard_at: datetime | None = None
    confirmed_at: datetime | None = None
    missing_at: datetime | None = None
    accepted_at: datetime | None = None
    is_tagged: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nobody needs to ask the server any more: it ended, and the server said so."""
        return self.state.is_final and self.confirmed_at is not None

    def hear(
        self, state: State, source: Source, at: datetime, asked_at: datetime | None = None
    ) -> Self:
        """The task after `source` told of `state`: the rules of belief.

        `asked_at` is when it was asked, if that was before `at`: the state is as old as that.
        """
        # A server that does not know confirms nothing.
        is_confirmed = source.is_truth and state is not State.UNKNOWN
        confirmed_at = self._confirmed(asked_at or at) if is_confirmed else self.confirmed_at
        heard = replace(self, heard_at=at, confirmed_at=confirmed_at)
        if is_confirmed and self.missing_at:
            heard = replace(heard, missing_at=None, rev=self.rev + 1)
        return heard._move(state, source, at) if self._believes(state, source) else heard

    def miss(self, at: datetime) -> Self:
        """The task after its server said that it knows no such task."""
        if self.state.is_final:
            # It ended, and the server forgot it: there is nothing left to ask.
            return replace(self, heard_at=at, confirmed_at=self.confirmed_at or at)
        if self.missing_at is None:
            return replace(self, missing_at=at, rev=self.rev + 1)
        if at - self.missing_at < MISSING_FOR:
            return self
        missed = replace(self, confirmed_at=self._confirmed(at))
        return missed._move(State.SYSTEM_ERROR, Source.POLL, at, LOST)

    def accept(self, at: datetime) -> Self:
        """The task after the server let its owner see it."""
        return replace(self, accepted_at=at)

    def tag(self) -> Self:
        """The task, now known to be found by the tag that the gateway gave it."""
        return self if self.is_tagged else replace(self, is_tagged=True, rev=self.rev + 1)

    def _confirmed(self, at: datetime) -> datetime:
        # Of two that asked, the later one may have been answered first.
        return max(self.confirmed_at, at) if self.confirmed_at else at

    def _believes(self, state: State, source: Source) -> bool:
        if state in {self.state, State.UNKNOWN}:
            return False
        return source.is_truth or not self.state.is_final

    def _move(self, state: State, source: Source, at: datetime, reason: str | None = None) -> Self:
        update = Update(self.seq + 1, state, at, source, reason)
        return replace(
            self,
            state=state,
            seq=update.seq,
            history=(*self.history, update)[-HISTORY_LIMIT:],
            owed=frozenset(self.runs) - self.quiet,
            # What a callback tells leaves nothing confirmed.
            confirmed_at=self.confirmed_at if source.is_truth else None,
            updated_at=at,
            rev=self.rev + 1,
        )

    def join(self, run_id: str, at: datetime, *, quiet: bool = False) -> Self:
        """The task followed by a run, which is owed the updates that came before it."""
        if run_id in self.runs:
            return self
        late = self.seq > 0
        return replace(
            self,
            runs=(*self.runs, run_id),
            quiet=self.quiet | {run_id} if quiet else self.quiet,
            owed=self.owed | {run_id} if late and not quiet else self.owed,
            joined={**self.joined, run_id: at} if late else self.joined,
            updated_at=at,
            rev=self.rev + 1,
        )

    def updates_for(self, run_id: str) -> tuple[Update, ...]:
        """What the run has not been told yet, oldest first."""
        told = self.delivered.get(run_id, 0)
        return tuple(update for update in self.history if update.seq > told)

    def previous(self, update: Update) -> State:
        """The state that was believed before an update (UNKNOWN where history ends)."""
        return next(
            (other.state for other in self.history if other.seq == update.seq - 1),
            State.UNKNOWN,
        )
