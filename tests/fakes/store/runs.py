from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from callback_service.domain.capability import Capability
from callback_service.domain.delivery import Span
from callback_service.domain.errors import Conflict, CursorExpired
from callback_service.domain.run import Failing, Lease, Rewind, Run, RunStatus
from callback_service.domain.sink import Sink
from callback_service.relay.ports import Ending, RunFilter
from tests.fakes.store.fake_store import FakeStore, latest


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
                if run.is_due(now)
                and (run.next_attempt_at or run.lease.until or run.rewind or run.failing)
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
                    lease = replace(run.lease, until=latest(run.lease.until, until))
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
                failing=None if is_gone else stored.failing,
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

    def failed(self, run_id: str, generation: int, failing: Failing) -> None:
        with self._open():
            stored = self._under(run_id, generation)
            if stored and stored.failing == failing:
                self._runs[run_id] = replace(stored, failing=None)

    def going_on(
        self, sinks: Collection[type[Sink]], before: datetime, after: str, limit: int
    ) -> Sequence[Run]:
        with self._open():
            wanted = [
                replace(run, batch=(), rewind=None)
                for run_id, run in sorted(self._runs.items())
                if run_id > after
                and isinstance(run.sink, tuple(sinks))
                and run.status in {RunStatus.ACTIVE, RunStatus.PAUSED}
                and run.created_at <= before
            ]
            return wanted[:limit]

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
