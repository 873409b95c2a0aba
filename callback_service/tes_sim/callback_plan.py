"""Which callbacks are due: a pure matter of the tasks' moves and of how far each was told."""

import heapq
from dataclasses import dataclass
from datetime import datetime

from callback_service.domain.states import State
from callback_service.tes_sim.profiles import Profile
from callback_service.tes_sim.script import Move
from callback_service.tes_sim.task import SimulatedTask


@dataclass(frozen=True, slots=True)
class Callback:
    """`{id, state}` for the URL, as PR #176 says."""

    url: str
    task_id: str
    state: State
    at: datetime


@dataclass(slots=True)
class _Line:
    task: SimulatedTask
    told: int = 0
    not_before: datetime | None = None
    version: int = 0


class CallbackPlan:
    """A heap with the next callback of each task; what a changed task leaves in it is stale."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._lines: dict[int, _Line] = {}
        self._heap: list[tuple[datetime, int, int]] = []

    @property
    def next_at(self) -> datetime | None:
        return self._heap[0][0] if self._heap else None

    def follow(self, task: SimulatedTask) -> None:
        """Begin, or go on with what the task has become."""
        line = self._lines.setdefault(task.number, _Line(task))
        line.task = task
        line.version += 1
        self._push(line)

    def again(self, task: SimulatedTask, not_before: datetime) -> None:
        """Tell everything of the task once more."""
        # Versions go up, or what is stale in the heap would be taken for new.
        version = self._lines[task.number].version
        self._lines[task.number] = _Line(task, not_before=not_before, version=version)
        self.follow(task)

    def forget(self, task: SimulatedTask) -> None:
        self._lines.pop(task.number, None)

    def clear(self) -> None:
        self._lines.clear()
        self._heap.clear()

    def pop(self, now: datetime) -> Callback | None:
        """The next one that is due; in the order in which they are."""
        while self._heap and self._heap[0][0] <= now:
            at, number, version = heapq.heappop(self._heap)
            line = self._lines.get(number)
            if not line or line.version != version or line.task.blocked_since:
                continue
            move = self._moves(line.task)[line.told]
            line.told += 1
            self._push(line)
            return Callback(line.task.callback_url or "", line.task.id, move.state, at)
        return None

    def _push(self, line: _Line) -> None:
        moves = self._moves(line.task)
        if line.told >= len(moves):
            return
        at = moves[line.told].at
        if line.not_before and line.not_before > at:
            at = line.not_before
        heapq.heappush(self._heap, (at, line.task.number, line.version))

    def _moves(self, task: SimulatedTask) -> tuple[Move, ...]:
        moves = task.moves if self._profile.tells_first_state else task.moves[1:]
        if self._profile.tells_early_cancel or any(m.state is State.RUNNING for m in moves):
            return moves
        return tuple(move for move in moves if move.state is not State.CANCELED)
