"""Where on this machine is what a task calls by paths of its container."""

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

# How far a path goes on in a command: up to what a shell would not take for a part of it.
_REST = r"[^\s'\"\\;:,|&<>()$`*?{}=\[\]!#]*"


@dataclass(frozen=True)
class Places:
    """A folder for all that a task has; `known` are paths that it says itself, and their parents.

    There is no container, so these paths are replaced wherever they stand in its commands.
    """

    root: Path
    known: frozenset[str]

    @classmethod
    def of(cls, task: Mapping[str, Any], root: Path) -> "Places":
        paths = [PurePosixPath(_normal(path)) for path in _paths(task)]
        named = {str(one) for path in paths for one in (path, *path.parents)}
        return cls(root, frozenset(named - {"/"}))

    def host(self, path: str) -> Path:
        return self.root / _normal(path).removeprefix("/")

    def rewritten(self, text: str) -> str:
        return self._pattern.sub(self._placed, text) if self.known else text

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.known, key=len, reverse=True)
        names = "|".join(map(re.escape, longest_first))
        return re.compile(rf"(?<![\w./~}}-])(?:{names})(?![\w.-])(?P<rest>{_REST})")

    def _placed(self, found: re.Match[str]) -> str:
        path, is_below = found[0], bool(found["rest"].strip("/"))
        # A program of this machine, say, that is below a folder of that name.
        is_foreign = is_below and not _is_there(self.host(path)) and _is_there(path)
        return path if is_foreign else f"{self.root}{path}"


def _is_there(path: str | Path) -> bool:
    """Unlike a `Path`, this takes any text for a path that may not be there."""
    return os.path.exists(path)  # noqa: PTH110


def _normal(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _paths(task: Mapping[str, Any]) -> Iterator[str]:
    for one in (*(task.get("inputs") or ()), *(task.get("outputs") or ())):
        yield one.get("path_prefix") or one["path"]
    yield from task.get("volumes") or ()
    for executor in task["executors"]:
        for name in ("workdir", "stdin", "stdout", "stderr"):
            if path := executor.get(name):
                yield path
