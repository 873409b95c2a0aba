"""A promise, how it is put to the test, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.ledger import Totals


@dataclass(frozen=True, slots=True)
class Stage:
    """Where and how a scenario is played.

    `broken` names the build of the service in which one thing was broken on purpose (see
    `tests.faults.broken`): the scenario must find it.
    """

    folder: Path
    seed: int
    is_quick: bool = True
    broken: str | None = None
    new_broker: Any = "folder"

    @property
    def patience(self) -> float:
        """Seconds without any progress after which nothing more is expected."""
        return 20.0 if self.is_quick else 40.0


@dataclass(frozen=True, slots=True)
class Result:
    """`recovery` in seconds: the longest that a run which was owed something waited after a fault.

    `violations` are promises broken; what is `void` proves nothing, either way.
    """

    load: str
    faults: str
    totals: Totals
    recovery: float | None = None
    figures: str = ""
    violations: tuple[str, ...] = ()
    void: tuple[str, ...] = ()
    histories: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        if self.void:
            return "void"
        return "violated" if self.violations else "kept"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`broken`: the builds in which it must fail."""

    name: str
    promise: int
    says: str
    play: Callable[[Stage], Result]
    broken: tuple[str, ...] = ()
