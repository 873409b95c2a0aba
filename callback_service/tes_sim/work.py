"""What became of the commands of a task that was executed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self


@dataclass(frozen=True, slots=True)
class Result:
    """Of one executor."""

    started: datetime
    ended: datetime
    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Work:
    results: tuple[Result, ...] = ()
    outputs: tuple[Mapping[str, str], ...] = ()
    # Why there is no result, where that is no matter of a command.
    trouble: str = ""

    def and_then(self, result: Result) -> Self:
        return replace(self, results=(*self.results, result))
