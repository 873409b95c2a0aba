from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from callback_service.domain.freshness import Unsettled, outlined
from callback_service.domain.run import Rewind
from callback_service.domain.states import State
from callback_service.domain.task import HISTORY_LIMIT, Task, TaskKey
from callback_service.relay.ports import Change
from tests.fakes.store.fake_store import FakeStore, latest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FakeTasks(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._tasks: dict[TaskKey, Task] = {}
        self._unsettled: set[TaskKey] = set()

    def load(self, keys: Collection[TaskKey]) -> dict[TaskKey, Task]:
        with self._open():
            return {key: self._tasks[key] for key in keys if key in self._tasks}

    def save(self, changes: Sequence[Change]) -> set[TaskKey]:
        with self._open():
            return {change.after.key for change in changes if not self._save(change)}

    def _save(self, change: Change) -> bool:
        before, after = change.before, change.after
        stored = self._tasks.get(after.key)
        if stored is None:
            if before is None:
                self._put(after)
            return before is None
        if before is None or before.rev not in {after.rev, stored.rev}:
            return _is_made(change, stored)
        saved = _repeated if after.rev == before.rev else _stepped
        self._put(saved(stored, before, after))
        return True

    def _put(self, task: Task) -> None:
        stored = self._tasks.get(task.key)
        if task.is_settled:
            self._unsettled.discard(task.key)
        elif stored is None or stored.seq != task.seq:
            self._unsettled.add(task.key)
        self._tasks[task.key] = task

    def states(self, keys: Collection[TaskKey]) -> dict[TaskKey, State]:
        return {key: task.state for key, task in self.load(keys).items()}

    def owed_to(self, run_id: str, limit: int) -> list[Task]:
        owed = [task for task in self._all() if run_id in task.owed]
        return sorted(owed, key=_by_change)[:limit]

    def mark_told(self, run_id: str, told: Mapping[TaskKey, int]) -> None:
        with self._open():
            for key, seq in told.items():
                task = self._tasks.get(key)
                if task and run_id in task.runs:
                    self._tasks[key] = _told(task, run_id, seq)

    def rewind(self, run_id: str, rewind: Rewind) -> None:
        with self._open():
            for task in self._of(run_id):
                if rewind.task_ids is None or task.key.task_id in rewind.task_ids:
                    self._tasks[task.key] = _rewound(task, run_id, rewind.since)

    def creditors(self, skip: int = 0, limit: int = 500) -> set[str]:
        owing = [task for task in self._all() if task.owed]
        return set().union(*(task.owed for task in owing[skip : skip + limit]))

    def leave(self, run_id: str) -> None:
        with self._open():
            for task in self._of(run_id):
                self._tasks[task.key] = replace(
                    task,
                    runs=tuple(other for other in task.runs if other != run_id),
                    quiet=task.quiet - {run_id},
                    owed=task.owed - {run_id},
                    joined=_without(task.joined, run_id),
                    delivered=_without(task.delivered, run_id),
                    rev=task.rev + 1,
                )

    def set_quiet(self, run_id: str, *, quiet: bool) -> None:
        with self._open():
            for task in self._of(run_id):
                if (run_id in task.quiet) != quiet:
                    self._tasks[task.key] = (
                        _hushed(task, run_id) if quiet else _pushed(task, run_id)
                    )

    def of_run(self, run_id: str, after: str | None, limit: int) -> list[Task]:
        behind = [task for task in self._of(run_id) if not after or str(task.key) > after]
        return sorted(behind, key=lambda task: str(task.key))[:limit]

    def counts(self, run_id: str) -> tuple[dict[State, int], int]:
        tasks = self._of(run_id)
        owing = sum(run_id in task.owed for task in tasks)
        return dict(Counter(task.state for task in tasks)), owing

    def last_change(self, run_id: str) -> datetime | None:
        return latest(*(task.updated_at for task in self._of(run_id)))

    def changed_for(self, run_id: str, since: datetime, after: str, limit: int) -> list[Task]:
        changed = [
            task for task in self._of(run_id) if task.seq and _by_change(task) > (since, after)
        ]
        return sorted(changed, key=_by_change)[:limit]

    def changed_since(self, since: datetime) -> list[tuple[TaskKey, int, tuple[str, ...]]]:
        return [
            (task.key, task.rev, task.runs)
            for task in self._all()
            if task.updated_at and task.updated_at >= since
        ]

    def unsettled(self, server: str, limit: int) -> list[Unsettled]:
        asked = [task for task in self._all() if task.key in self._unsettled]
        return [outlined(task) for task in asked if task.key.server == server][:limit]

    def settle(self, keys: Collection[TaskKey]) -> None:
        ended = {key for key, task in self.load(keys).items() if task.state.is_final}
        self._unsettled -= ended

    def forget(self, before: datetime) -> int:
        with self._open():
            old = [
                task
                for task in self._all()
                if not task.owed
                and _last_news(task) < before
                and (task.state.is_final or not task.runs)
            ]
            for task in old:
                del self._tasks[task.key]
                self._unsettled.discard(task.key)
            return len(old)

    def _all(self) -> list[Task]:
        with self._open():
            return list(self._tasks.values())

    def _of(self, run_id: str) -> list[Task]:
        return [task for task in self._all() if run_id in task.runs]


def _by_change(task: Task) -> tuple[datetime, str]:
    return task.updated_at or _EPOCH, str(task.key)


def _last_news(task: Task) -> datetime:
    return max(task.heard_at or _EPOCH, task.updated_at or _EPOCH)


def _without(per_run: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    return {key: value for key, value in per_run.items() if key != run_id}


def _is_made(change: Change, stored: Task) -> bool:
    before = change.before or Task(change.after.key)
    new = {update for update in change.after.history if update.seq > before.seq}
    joined = set(change.after.runs) - set(before.runs)
    return (
        new <= set(stored.history)
        and joined <= set(stored.runs)
        and change.after.missing_at in {before.missing_at, stored.missing_at}
        and change.after.is_tagged in {before.is_tagged, stored.is_tagged}
    )


def _repeated(stored: Task, before: Task, after: Task) -> Task:
    heard = replace(
        stored,
        heard_at=latest(stored.heard_at, after.heard_at),
        accepted_at=latest(stored.accepted_at, after.accepted_at),
    )
    if after.confirmed_at == before.confirmed_at:
        return heard
    if stored.seq != before.seq:
        return stored
    return replace(heard, confirmed_at=latest(stored.confirmed_at, after.confirmed_at))


def _stepped(stored: Task, before: Task, after: Task) -> Task:
    moved = after.seq > before.seq
    confirmed_at = latest(stored.confirmed_at, after.confirmed_at)
    return replace(
        after,
        history=after.history[-HISTORY_LIMIT:],
        delivered=stored.delivered,
        owed=after.owed if moved else stored.owed | (after.owed - before.owed),
        heard_at=latest(stored.heard_at, after.heard_at),
        accepted_at=latest(stored.accepted_at, after.accepted_at),
        confirmed_at=after.confirmed_at if moved else confirmed_at,
    )


def _told(task: Task, run_id: str, seq: int) -> Task:
    told = max(seq, task.delivered.get(run_id, 0))
    owed = task.owed - {run_id} if task.seq == seq else task.owed
    return replace(task, delivered={**task.delivered, run_id: told}, owed=owed)


def _rewound(task: Task, run_id: str, since: datetime | None) -> Task:
    wanted = [update for update in task.history if since is None or update.at >= since]
    if not wanted or run_id in task.quiet:
        return task
    floor = wanted[0].seq - 1 if since else 0
    if task.delivered.get(run_id, 0) <= floor:
        return task
    delivered = {**task.delivered, run_id: floor}
    return replace(task, delivered=delivered, owed=task.owed | {run_id})


def _hushed(task: Task, run_id: str) -> Task:
    quiet, owed = task.quiet | {run_id}, task.owed - {run_id}
    return replace(task, quiet=quiet, owed=owed, rev=task.rev + 1)


def _pushed(task: Task, run_id: str) -> Task:
    owed = task.owed | {run_id} if task.updates_for(run_id) else task.owed
    return replace(task, quiet=task.quiet - {run_id}, owed=owed, rev=task.rev + 1)
