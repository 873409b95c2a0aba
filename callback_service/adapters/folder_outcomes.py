"""What became of requests that clients repeat, in a folder that the processes of a host share.

It is there while the database is not, and it outlives a process that is killed.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from callback_service.domain.outcome import Outcome, likeliest


@dataclass(frozen=True, slots=True)
class _Kept:
    outcome: Outcome
    taken: frozenset[int] = field(default_factory=frozenset)


class FolderOutcomes:
    """A file for each. Whoever changes any holds the lock: there are few, and for seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, outcome: Outcome) -> None:
        with self._locked():
            path = self._path(outcome.id)
            before = _read(path)
            self._write(_Kept(outcome, before.taken if before else frozenset()))

    def drop(self, outcome_id: str) -> None:
        self._path(outcome_id).unlink(missing_ok=True)

    def take(self, digest: str, rank: int, since: datetime) -> Outcome | None:
        with self._locked():
            left = {
                kept.outcome.id: kept
                for kept in self._all()
                if kept.outcome.digest == digest
                and kept.outcome.at >= since
                and kept.outcome.rank < rank
                and rank not in kept.taken
            }
            meant = likeliest(kept.outcome for kept in left.values())
            if meant and not meant.is_open:
                self._mark(left[meant.id], rank)
            return meant

    def note_taken(self, outcome_id: str, rank: int) -> None:
        with self._locked():
            kept = _read(self._path(outcome_id))
            if kept:
                self._mark(kept, rank)

    def forget(self, before: datetime) -> int:
        with self._locked():
            old = [kept.outcome.id for kept in self._all() if kept.outcome.at < before]
        for outcome_id in old:
            self.drop(outcome_id)
        return len(old)

    def _mark(self, kept: _Kept, rank: int) -> None:
        self._write(replace(kept, taken=kept.taken | {rank}))

    def _all(self) -> Iterator[_Kept]:
        for path in self._folder.glob("*.json"):
            kept = _read(path)
            if kept:
                yield kept

    def _write(self, kept: _Kept) -> None:
        path = self._path(kept.outcome.id)
        whole = path.with_suffix(".new")
        whole.write_text(json.dumps(_written(kept)), encoding="utf-8")
        whole.replace(path)

    def _path(self, outcome_id: str) -> Path:
        return self._folder / f"{outcome_id}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The kernel lets go of it when its holder dies.
        descriptor = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read(path: Path) -> _Kept | None:
    """None where it was dropped meanwhile."""
    with suppress(FileNotFoundError):
        found = json.loads(path.read_text(encoding="utf-8"))
        at, body = datetime.fromisoformat(found["at"]), bytes.fromhex(found["body"])
        taken = frozenset(found.pop("taken"))
        return _Kept(Outcome(**{**found, "at": at, "body": body}), taken)
    return None


def _written(kept: _Kept) -> dict[str, Any]:
    outcome = kept.outcome
    return {
        "id": outcome.id,
        "digest": outcome.digest,
        "rank": outcome.rank,
        "at": outcome.at.isoformat(),
        "status": outcome.status,
        "body": outcome.body.hex(),
        "content_type": outcome.content_type,
        "taken": sorted(kept.taken),
    }
