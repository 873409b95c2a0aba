"""Load, decide, save: how every change of a task is made, under its revision."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from callback_service.domain.errors import Unavailable
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Change, Doorbell, Tasks, Waiters

# Each round loses only to somebody who won it; so many in a row mean a store that lies.
ROUNDS = 20


class Step(NamedTuple):
    """One decision about one task: a pure function of what is known of it."""

    key: TaskKey
    decide: Callable[[Task], Task]


def run_topic(run_id: str) -> str:
    return f"run:{run_id}"


def task_topic(key: TaskKey) -> str:
    return f"task:{key}"


class Recorder:
    """Makes steps durable in one write a round, then rings whom they concern."""

    def __init__(self, tasks: Tasks, doorbell: Doorbell, waiters: Waiters) -> None:
        self._tasks = tasks
        self._doorbell = doorbell
        self._waiters = waiters

    def record(self, steps: Sequence[Step]) -> list[Change]:
        """Return what was saved, once it is durable.

        Raises `Unavailable` where the store did not confirm; a part may be saved
        then, which is harmless: a repeat of it changes nothing.
        """
        pending = _by_key(steps)
        saved: list[Change] = []
        for _ in range(ROUNDS):
            changes = self._decide(pending)
            lost = self._tasks.save(changes) if changes else set()
            won = [change for change in changes if change.after.key not in lost]
            self._tell(won)
            saved += won
            # Who lost a race decides again, on what won it.
            pending = {key: pending[key] for key in lost}
            if not pending:
                return saved
        raise Unavailable("the task is changed by too many at once; try again")

    def _decide(self, pending: dict[TaskKey, list[Step]]) -> list[Change]:
        known = self._tasks.load(pending.keys())
        changes = []
        for key, steps in pending.items():
            before = known.get(key)
            after = before or Task(key)
            for step in steps:
                after = step.decide(after)
            # Told the same in the same millisecond, it is equal, but not known to be durable.
            if after is not before:
                changes.append(Change(before, after))
        return changes

    def _tell(self, changes: Iterable[Change]) -> None:
        moved = [after for before, after in map(_sides, changes) if _has_moved(before, after)]
        self._doorbell.ring({run_id for task in moved for run_id in task.owed})
        self._waiters.notify(
            {task_topic(task.key) for task in moved}
            | {run_topic(run_id) for task in moved for run_id in task.runs}
        )


def _by_key(steps: Iterable[Step]) -> dict[TaskKey, list[Step]]:
    grouped: dict[TaskKey, list[Step]] = {}
    for step in steps:
        grouped.setdefault(step.key, []).append(step)
    return grouped


def _sides(change: Change) -> tuple[Task | None, Task]:
    return change.before, change.after


def _has_moved(before: Task | None, after: Task) -> bool:
    return before is None or after.rev != before.rev
