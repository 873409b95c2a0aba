"""A task of the simulated server: a frozen value whose state depends on the time only."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from callback_service.domain.states import FINAL, State
from callback_service.tes_sim.script import Move
from callback_service.tes_sim.work import Work


@dataclass(frozen=True, slots=True)
class SimulatedTask:
    """`body` is what was submitted; `moves` is what will become of it if nobody interferes."""

    number: int
    id: str
    body: Mapping[str, Any]
    created: datetime
    moves: tuple[Move, ...]
    callback_url: str | None = None
    # When the process is gone; a server may call a task cancelled before.
    stopped_at: datetime | None = None
    # Since when it waits for a listener of callbacks to answer.
    blocked_since: datetime | None = None
    # What its commands did; None where it only plays.
    work: Work | None = None

    def state(self, now: datetime) -> State:
        now = self.blocked_since or now
        return next(
            (move.state for move in reversed(self.moves) if move.at <= now), self.moves[0].state
        )

    def history(self, now: datetime) -> list[Move]:
        now = self.blocked_since or now
        return [move for move in self.moves if move.at <= now]

    def ended_at(self, now: datetime) -> datetime | None:
        last = self.moves[-1]
        return last.at if self.state(now) in FINAL and last.state in FINAL else None

    def move(self, state: State, now: datetime) -> Self:
        """What an executor says of it; not after its end, nor once it is canceled."""
        last = self.moves[-1]
        if self.stopped_at or last.state in FINAL or last.state is state:
            return self
        return replace(self, moves=(*self.moves, Move(max(now, last.at), state)))

    def cancel(self, now: datetime, canceling: float | None, stopping: float) -> Self:
        """The next value: `canceling` seconds in that state first, if at all."""
        gone = now + timedelta(seconds=canceling or 0.0)
        said = [] if canceling is None else [Move(now, State.CANCELING)]
        moves = (*self.history(now), *said, Move(gone, State.CANCELED))
        stopped = max(gone, now + timedelta(seconds=stopping))
        return replace(self, moves=moves, stopped_at=stopped)

    def block(self, now: datetime) -> Self:
        return replace(self, blocked_since=now)

    def go_on(self, now: datetime) -> Self:
        """What was still to come comes later by as long as it was blocked."""
        if self.blocked_since is None:
            return self
        since, lost = self.blocked_since, now - self.blocked_since
        moves = tuple(
            Move(move.at + lost, move.state) if move.at > since else move for move in self.moves
        )
        return replace(self, moves=moves, blocked_since=None)
