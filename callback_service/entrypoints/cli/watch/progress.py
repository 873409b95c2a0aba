"""What a run's updates say of its tasks: times per state, what failed, when the rest will end.

Nothing here looks at a clock: `now` is handed in, in seconds since 1970, as all times here are.
"""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import Any

from callback_service.domain.states import FINAL, State

_CHANGES_KEPT = 200
# What ends in bursts, as tasks do that began together, is taken on the average of two of them.
_LIVES = 2
_SHORTEST_WINDOW = 10.0
# Of one end there is no rate.
_FEWEST_ENDS = 2
# Open states first; `CANCELING` is the last of the specification's.
_ORDER = sorted(State, key=lambda state: state in FINAL)


@dataclass(frozen=True, slots=True)
class Task:
    """A task that was heard of: in `state` since `since`; `ended` is None while it is open."""

    server: str
    id: str
    seq: int
    state: State
    began: float
    since: float
    ended: float | None

    @property
    def failed(self) -> bool:
        return self.ended is not None and self.state is not State.COMPLETE


@dataclass(frozen=True, slots=True)
class Change:
    at: float
    task_id: str
    previous: str
    state: str


@dataclass(frozen=True, slots=True)
class StateRow:
    """How many are in a state, and for how long tasks are: what has passed, and the longest ever.

    Final states take no time.
    """

    state: State
    tasks: int
    median: float | None
    longest: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """In how many seconds the rest will have ended, if `rate` tasks a second go on ending."""

    seconds: float
    rate: float


class Progress:
    """Takes the updates of a run, those of a task in their order; repeats change nothing."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, str], Task] = {}
        # How long tasks were in each state that they have left.
        self._stays: dict[State, list[float]] = {}
        self._changes: list[Change] = []
        self._latest = 0.0
        # How many have not ended.
        self.open = 0

    def take(self, update: Mapping[str, Any]) -> None:
        key = update["server"], update["task_id"]
        before = self._tasks.get(key)
        if before and update["seq"] <= before.seq:
            return
        at, state = datetime.fromisoformat(update["at"]).timestamp(), State(update["state"])
        if before and before.ended is None:
            self._stays.setdefault(before.state, []).append(max(at - before.since, 0.0))
        after = _moved(before, update, state, at)
        self._tasks[key] = after
        self.open += (after.ended is None) - (before is not None and before.ended is None)
        self._latest = max(self._latest, at)
        change = Change(at, update["task_id"], update["previous"], state)
        # They come task by task, not in the order of their times.
        insort(self._changes, change, key=lambda one: one.at)
        del self._changes[:-_CHANGES_KEPT]

    @property
    def heard(self) -> int:
        return len(self._tasks)

    @property
    def ended(self) -> int:
        return self.heard - self.open

    def rows(self, total: int, now: float) -> list[StateRow]:
        """A row for each state that tasks are or were in; `UNKNOWN` are those not heard of yet."""
        now = self._not_before(now)
        counts: dict[State, int] = {}
        longest = {state: max(stays) for state, stays in self._stays.items()}
        for task in self._tasks.values():
            counts[task.state] = counts.get(task.state, 0) + 1
            if task.ended is None:
                longest[task.state] = max(longest.get(task.state, 0.0), now - task.since)
        if total > self.heard:
            counts[State.UNKNOWN] = total - self.heard
        return [
            StateRow(state, counts.get(state, 0), self._median(state), longest.get(state))
            for state in _ORDER
            if state in counts or state in longest
        ]

    def estimate(self, total: int, now: float) -> Estimate | None:
        """From what has ended lately; None if that is no base for saying anything."""
        now = self._not_before(now)
        ended = [
            (task.ended, task.ended - task.began)
            for task in self._tasks.values()
            if task.ended is not None
        ]
        if not ended:
            return None
        elapsed = now - min(task.began for task in self._tasks.values())
        life = median(life for _, life in ended)
        window = min(elapsed, max(_LIVES * life, _SHORTEST_WINDOW))
        lately = sum(at >= now - window for at, _ in ended)
        if lately < _FEWEST_ENDS or window <= 0:
            return None
        rate = lately / window
        return Estimate((max(total, self.heard) - self.ended) / rate, rate)

    def changes(self, number: int) -> list[Change]:
        """The last ones, newest first."""
        return self._changes[: -number - 1 : -1] if number > 0 else []

    def failures(self) -> list[Task]:
        """Newest first."""
        failed = [task for task in self._tasks.values() if task.failed]
        return sorted(failed, key=lambda task: task.ended or 0.0, reverse=True)

    def tasks(self) -> list[Task]:
        """In the order in which they were heard of by the service."""
        return sorted(self._tasks.values(), key=lambda task: task.began)

    def seconds(self, task: Task, now: float) -> float:
        """How long it is in its state, or took in all if it has ended."""
        if task.ended is not None:
            return max(task.ended - task.began, 0.0)
        return self._not_before(now) - task.since

    def span(self, now: float) -> float:
        """From the first update until now, or until the last end if all have ended."""
        if not self._tasks:
            return 0.0
        until = self._not_before(now)
        if not self.open:
            until = max(task.ended or 0.0 for task in self._tasks.values())
        return max(until - min(task.began for task in self._tasks.values()), 0.0)

    def _median(self, state: State) -> float | None:
        stays = self._stays.get(state)
        return median(stays) if stays else None

    def _not_before(self, now: float) -> float:
        # The clock here may be behind that of the service.
        return max(now, self._latest)


def _moved(before: Task | None, update: Mapping[str, Any], state: State, at: float) -> Task:
    if before is None:
        ended = at if state.is_final else None
        return Task(update["server"], update["task_id"], update["seq"], state, at, at, ended)
    # What its server says after all of how it ended does not change when it did.
    ended = (before.ended if before.ended is not None else at) if state.is_final else None
    return replace(before, seq=update["seq"], state=state, since=at, ended=ended)
