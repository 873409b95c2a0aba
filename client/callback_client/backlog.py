"""What a sender still has to tell: each task's states in their order, within a bound."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Deque, Dict, List, NamedTuple, Optional, Tuple

from callback_client.values import FINAL_STATES


class Change(NamedTuple):
    """A state that a task came into; `message_id` is the same however often it is sent."""

    task_id: str
    state: str
    message_id: str = ""

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES


class Added(NamedTuple):
    """What adding a change cost.

    `left_out` are changes that tell nothing which the others do not: repeats, and states that
    the task has left again. `given_up` are those without which something will not be known.
    """

    left_out: Tuple[Change, ...] = ()
    given_up: Tuple[Change, ...] = ()


class Backlog:
    """Changes that wait, `capacity` at most, and the one that is on its way (`taken`).

    The tasks take turns, so that one which the listener cannot take holds up no other. Nothing
    here waits or locks.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lines: OrderedDict[str, Deque[Change]] = OrderedDict()
        self._waiting = 0
        self._taken: Optional[str] = None
        # Tasks of which something that waits is superseded, and those whose last state waits and
        # is not final: to be found at once, for a full backlog is no time to look around.
        self._crowded: Dict[str, None] = {}
        self._open: Dict[str, None] = {}

    def __len__(self) -> int:
        return self._waiting + (self._taken is not None)

    def add(self, change: Change) -> Added:
        """Let it wait, behind what is to be told of its task.

        Where there are too many, what is superseded goes first, of this task and then of others;
        then, for a final state, another task's that is not; and else the change itself.
        """
        line = self._lines.setdefault(change.task_id, deque())
        if line and line[-1].state == change.state:
            return Added(left_out=(change,))
        line.append(change)
        self._waiting += 1
        self._note(change.task_id)
        if self._waiting <= self._capacity:
            return Added()
        left_out = self._leave_out(change.task_id)
        if left_out:
            return Added(left_out=left_out)
        return Added(given_up=(self._give_up(change),))

    def take(self) -> Change:
        """What is to be told next; it is on its way until it is `settled` or `put_back`."""
        task_id, line = next(iter(self._lines.items()))
        self._taken = task_id
        self._waiting -= 1
        self._note(task_id)
        return line[0]

    def settled(self) -> None:
        """There is nothing more to be done for what was taken."""
        if self._taken is not None:
            task_id, self._taken = self._taken, None
            self._lines[task_id].popleft()
            self._next_turn(task_id)

    def put_back(self) -> None:
        """What was taken is still the first to be told of its task."""
        if self._taken is not None:
            task_id, self._taken = self._taken, None
            self._waiting += 1
            self._next_turn(task_id)

    def clear(self) -> List[Change]:
        """Forget all; returns what that was, with what is on its way."""
        left = [change for line in self._lines.values() for change in line]
        self._lines.clear()
        self._crowded.clear()
        self._open.clear()
        self._waiting, self._taken = 0, None
        return left

    def _next_turn(self, task_id: str) -> None:
        self._lines.move_to_end(task_id)
        self._note(task_id)

    def _leave_out(self, task_id: str) -> Tuple[Change, ...]:
        """One superseded state, and the repeat that two others became without it."""
        crowded = task_id if task_id in self._crowded else next(iter(self._crowded), None)
        if crowded is None:
            return ()
        line = self._lines[crowded]
        place = self._superseded(crowded)
        left_out = [line[place]]
        del line[place]
        if place and line[place - 1].state == line[place].state:
            left_out.append(line[place])
            del line[place]
        self._waiting -= len(left_out)
        self._note(crowded)
        return tuple(left_out)

    def _give_up(self, change: Change) -> Change:
        """Another task's state, if this one is final and that is not; else this."""
        other = next(iter(self._open), None) if change.final else None
        task_id = change.task_id if other is None else other
        given_up = self._lines[task_id].pop()
        self._waiting -= 1
        self._note(task_id)
        return given_up

    def _note(self, task_id: str) -> None:
        """What a task's line has become."""
        line = self._lines[task_id]
        waits = len(line) > self._first_waiting(task_id)
        _mark(self._open, task_id, here=waits and not line[-1].final)
        _mark(self._crowded, task_id, here=self._superseded(task_id) >= 0)
        if not line:
            del self._lines[task_id]

    def _superseded(self, task_id: str) -> int:
        """The place in the line of the first that can be left out; -1 if none can."""
        line = self._lines[task_id]
        for place in range(self._first_waiting(task_id), len(line) - 1):
            if not line[place].final:
                return place
        return -1

    def _first_waiting(self, task_id: str) -> int:
        return int(task_id == self._taken)


def _mark(tasks: Dict[str, None], task_id: str, *, here: bool) -> None:
    if here:
        tasks[task_id] = None
    else:
        tasks.pop(task_id, None)
