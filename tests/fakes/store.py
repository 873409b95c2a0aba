"""All stores in memory. They pass the suites of `tests/stores`, as the real ones do."""

import builtins
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from callback_service.domain.capability import Capability
from callback_service.domain.delivery import Attempt, DeadLetter, Span
from callback_service.domain.errors import Conflict, CursorExpired, Unavailable
from callback_service.domain.run import Lease, Rewind, Run, RunStatus
from callback_service.domain.server import Server
from callback_service.domain.states import State
from callback_service.domain.task import HISTORY_LIMIT, Task, TaskKey
from callback_service.relay.ports import IMPLAUSIBLE, Change, Ending, RunFilter

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FakeStore:
    """One lock, and a switch: while `is_down`, every call raises `Unavailable`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.is_down = False

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self.is_down:
                raise Unavailable("the database did not confirm in time; try again")
            yield


class FakeTasks(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._tasks: dict[TaskKey, Task] = {}

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
                self._tasks[after.key] = after
            return before is None
        if before is None or before.rev not in {after.rev, stored.rev}:
            return _is_made(change, stored)
        saved = _repeated if after.rev == before.rev else _stepped
        self._tasks[after.key] = saved(stored, before, after)
        return True

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


def _latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time), default=None)


def _is_made(change: Change, stored: Task) -> bool:
    before = change.before or Task(change.after.key)
    new = {update for update in change.after.history if update.seq > before.seq}
    joined = set(change.after.runs) - set(before.runs)
    return new <= set(stored.history) and joined <= set(stored.runs)


def _repeated(stored: Task, before: Task, after: Task) -> Task:
    if after.confirmed_at == before.confirmed_at:
        return replace(stored, heard_at=_latest(stored.heard_at, after.heard_at))
    if stored.seq != before.seq:
        return stored
    return replace(
        stored,
        heard_at=_latest(stored.heard_at, after.heard_at),
        confirmed_at=_latest(stored.confirmed_at, after.confirmed_at),
    )


def _stepped(stored: Task, before: Task, after: Task) -> Task:
    moved = after.seq > before.seq
    confirmed_at = _latest(stored.confirmed_at, after.confirmed_at)
    return replace(
        after,
        history=after.history[-HISTORY_LIMIT:],
        delivered=stored.delivered,
        owed=after.owed if moved else stored.owed | (after.owed - before.owed),
        heard_at=_latest(stored.heard_at, after.heard_at),
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


class FakeRuns(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[str, Run] = {}
        self._knocked: set[str] = set()

    def add(self, run: Run) -> None:
        with self._open():
            if run.id in self._runs:
                raise Conflict(f"there is a run {run.id!r} already")
            self._runs[run.id] = run

    def find(self, run_ids: Collection[str]) -> dict[str, Run]:
        with self._open():
            return {run_id: self._runs[run_id] for run_id in run_ids if run_id in self._runs}

    def outlines(self, run_ids: Collection[str]) -> dict[str, Run]:
        found = self.find(run_ids)
        return {run_id: replace(run, batch=(), rewind=None) for run_id, run in found.items()}

    def list(self, wanted: RunFilter, after: str | None, limit: int) -> list[Run]:
        with self._open():
            newest_first = sorted(self._runs.values(), key=_by_age, reverse=True)
            if after is not None:
                last = self._runs.get(after)
                if last is None or last.owner != wanted.owner:
                    raise CursorExpired("the last run of that page is gone; list again")
                newest_first = [run for run in newest_first if _by_age(run) < _by_age(last)]
            return [run for run in newest_first if _is_wanted(run, wanted)][:limit]

    def change(self, run_id: str, fields: Mapping[str, object]) -> None:
        with self._open():
            run = self._runs.get(run_id)
            if run and run.status is not RunStatus.ENDING:
                self._runs[run_id] = replace(run, **fields)  # type: ignore[arg-type]  # by name

    def rekey(self, run: Run, tokens: Sequence[Capability], secrets: Sequence[Capability]) -> bool:
        with self._open():
            stored = self._runs.get(run.id)
            if stored is None or stored.status is RunStatus.ENDING or stored.tokens != run.tokens:
                return False
            self._runs[run.id] = replace(stored, tokens=tuple(tokens), secrets=tuple(secrets))
            return True

    def resume(self, run_id: str) -> None:
        self.change(run_id, {"status": RunStatus.ACTIVE, "failures": 0, "next_attempt_at": None})

    def due(self, run_ids: Collection[str], now: datetime) -> set[str]:
        return {run.id for run in self.find(run_ids).values() if run.is_due(now)}

    def overdue(self, now: datetime) -> set[str]:
        with self._open():
            return {
                run.id
                for run in self._runs.values()
                if run.is_due(now) and (run.next_attempt_at or run.lease.until or run.rewind)
            }

    def missing(self, run_ids: Collection[str]) -> set[str]:
        return set(run_ids) - self.find(run_ids).keys()

    def claim(self, run: Run, lease: Lease, batch: Sequence[Span], now: datetime) -> bool:
        with self._open():
            stored = self._under(run.id, run.lease.generation)
            if stored is None or not stored.is_due(now):
                return False
            self._runs[run.id] = replace(stored, lease=lease, batch=tuple(batch))
            self._knocked.discard(run.id)
            return True

    def keep(self, run_id: str, generation: int, batch: Sequence[Span]) -> bool:
        with self._open():
            stored = self._under(run_id, generation)
            if stored:
                self._runs[run_id] = replace(stored, batch=tuple(batch))
            return stored is not None

    def renew(self, holder: str, run_ids: Collection[str], until: datetime) -> None:
        with self._open():
            for run in self.find(run_ids).values():
                if run.lease.holder == holder:
                    lease = replace(run.lease, until=_latest(run.lease.until, until))
                    self._runs[run.id] = replace(run, lease=lease)

    def knock(self, run_id: str, now: datetime) -> bool:
        with self._open():
            stored = self._runs.get(run_id)
            is_held = stored is not None and stored.lease.is_held(now)
            if is_held:
                self._knocked.add(run_id)
            return is_held

    def close(self, run: Run, generation: int, *, batch: Sequence[Span]) -> Ending:
        with self._open():
            stored = self._under(run.id, generation)
            if stored is None:
                return Ending.LOST
            is_gone = run.status is RunStatus.GONE and stored.status is RunStatus.ACTIVE
            self._runs[run.id] = replace(
                stored,
                status=RunStatus.GONE if is_gone else stored.status,
                failures=run.failures,
                next_attempt_at=run.next_attempt_at,
                last_delivery_at=run.last_delivery_at,
                last_error=run.last_error,
                batch=tuple(batch),
                lease=Lease(generation),
            )
            was_knocked = run.id in self._knocked
            self._knocked.discard(run.id)
            return Ending.KNOCKED if was_knocked else Ending.QUIET

    def rewound(self, run_id: str, generation: int, rewind: Rewind) -> None:
        with self._open():
            stored = self._under(run_id, generation)
            if stored and stored.rewind == rewind:
                self._runs[run_id] = replace(stored, rewind=None)

    def ended(self, now: datetime, limit: int) -> Sequence[str]:
        with self._open():
            return [run.id for run in self._runs.values() if not run.is_open(now)][:limit]

    def remove(self, run_id: str) -> None:
        with self._open():
            self._runs.pop(run_id, None)

    def _under(self, run_id: str, generation: int) -> Run | None:
        run = self._runs.get(run_id)
        return run if run and run.lease.generation == generation else None


def _by_age(run: Run) -> tuple[datetime, str]:
    return run.created_at, run.id


def _is_wanted(run: Run, wanted: RunFilter) -> bool:
    has_status = run.status != RunStatus.ENDING
    if wanted.status is not None:
        has_status = run.status == wanted.status
    return (
        has_status
        and run.owner == wanted.owner
        and run.name.startswith(wanted.name_prefix)
        and all(key in run.tags and value in {"", run.tags[key]} for key, value in wanted.tags)
    )


class FakeServers(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._servers: dict[str, Server] = {}

    def add(self, server: Server) -> None:
        with self._open():
            if server.key in self._servers:
                raise Conflict(f"there is a server {server.key!r} already")
            self._servers[server.key] = server

    def find(self, key: str) -> Server | None:
        with self._open():
            return self._servers.get(key)

    def list(self) -> builtins.list[Server]:
        with self._open():
            return [server for _, server in sorted(self._servers.items())]

    def save(self, server: Server) -> bool:
        with self._open():
            is_known = server.key in self._servers
            if is_known:
                self._servers[server.key] = server
            return is_known

    def remove(self, key: str) -> bool:
        with self._open():
            return self._servers.pop(key, None) is not None


class FakeDeliveryLog(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self.attempts: list[Attempt] = []
        self._letters: dict[tuple[str, TaskKey, int], DeadLetter] = {}

    @property
    def letters(self) -> list[DeadLetter]:
        return list(self._letters.values())

    def add(self, attempts: Sequence[Attempt]) -> None:
        with self._open():
            self.attempts += attempts

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        with self._open():
            for letter in letters:
                key, update, _ = letter.item
                self._letters[letter.run_id, key, update.seq] = letter

    def of_run(self, run_id: str, before: datetime | None, limit: int) -> list[Attempt]:
        with self._open():
            found = [
                attempt
                for attempt in reversed(self.attempts)
                if attempt.run_id == run_id and (before is None or attempt.at < before)
            ]
        return sorted(found, key=lambda attempt: attempt.at, reverse=True)[:limit]

    def dead_letters(self, run_id: str) -> int:
        with self._open():
            return sum(letter.run_id == run_id for letter in self.letters)

    def forget(self, before: datetime) -> int:
        with self._open():
            number = len(self.attempts) + len(self._letters)
            self.attempts = [attempt for attempt in self.attempts if attempt.at >= before]
            self._letters = {
                key: letter for key, letter in self._letters.items() if letter.at >= before
            }
            return number - len(self.attempts) - len(self._letters)


class FakeTicks(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, datetime] = {}

    def claim(self, name: str, now: datetime, next_at: datetime) -> bool:
        with self._open():
            claimed = self._next.get(name, now)
            is_due = claimed <= now or claimed > now + IMPLAUSIBLE * (next_at - now)
            if is_due:
                self._next[name] = next_at
            return is_due
