"""The file that a process of the service writes to, of which not all is kept."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_LIMIT = 10_000_000
_TAIL = 4096
Opener = Callable[[str, int], int]


class Log:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_to = 0

    def begin(self) -> BinaryIO:
        """For a process to write to; what was written before it is nothing that it says."""
        self.bound()
        self._read_to = self._path.stat().st_size if self._path.exists() else 0
        # Appending, so that what is written after the file was cut begins at its start again.
        return open(self._path, "ab", opener=_private)

    def bound(self) -> None:
        """Keep at most two pieces of it. The process keeps its file: it is copied and cut."""
        if self._path.exists() and self._path.stat().st_size > _LIMIT:
            shutil.copy2(self._path, self._path.with_suffix(".log.1"))
            os.truncate(self._path, 0)

    def last_lines(self, count: int = 10) -> list[str]:
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - _TAIL))
            return file.read().decode(errors="replace").splitlines()[-count:]

    def has_come_to_say(self, words: bytes) -> bool:
        """Whether they are in what was written since the last time that this was asked."""
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            size = self._path.stat().st_size
            # It was cut, or the words may stand across the place.
            begin = self._read_to - len(words) if self._read_to <= size else 0
            file.seek(max(0, begin))
            said = file.read()
            self._read_to = file.tell()
        return words in said


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
