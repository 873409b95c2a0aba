"""Whether a run has lost its engine, as far as that can be seen from outside.

An engine that has died and one that works on outputs for hours look alike: all tasks have ended,
and nobody asks for them any more. So it is said what speaks for it, and people decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from callback_service.domain.states import State


@dataclass(frozen=True, slots=True)
class Rest:
    """How the tasks of a run stand: how many in each state, and when the last of them moved."""

    states: Mapping[State, int]
    owed: int
    last_change: datetime | None

    @property
    def open(self) -> int:
        return sum(count for state, count in self.states.items() if not state.is_final)

    @property
    def ended(self) -> int:
        return sum(self.states.values()) - self.open

    def is_quiet(self, now: datetime, quiet_for: timedelta) -> bool:
        """Whether all has ended, has been told, and that a while ago.

        A run that never had a task may wait for its turn at the WES.
        """
        return (
            self.ended > 0
            and not self.open
            and not self.owed
            and self.last_change is not None
            and self.last_change <= now - quiet_for
        )


@dataclass(frozen=True, slots=True)
class WesRun:
    """A run as its WES has it; `open_tasks` are those that have not ended by what that knows."""

    state: str
    is_over: bool
    open_tasks: int = 0
    was_completing: bool = False

    @property
    def may_be_stuck(self) -> bool:
        # Where a task goes on that this service was not told of, its engine goes on too.
        return not self.is_over and not self.open_tasks

    def describe(self) -> str:
        if self.was_completing:
            return f"cwl-WES shows {self.state}, though it had begun to complete the run"
        return f"cwl-WES still shows {self.state}"
