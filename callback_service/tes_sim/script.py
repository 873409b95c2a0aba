"""What becomes of a task, and when: `QUEUED 0.1, RUNNING 2, EXECUTOR_ERROR`."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from callback_service.domain.states import State

DEFAULT_TEXT = "QUEUED 0.1, INITIALIZING 0.1, RUNNING 1, COMPLETE"

_STEP = re.compile(r"([A-Z_]+)(?:\s+(\d+(?:\.\d+)?|\.\d+))?")
_LONGEST = 10 * 365 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Step:
    """A state and the seconds that it lasts; the last one of a script lasts for ever."""

    state: State
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Step":
        found = _STEP.fullmatch(text)
        if not found:
            raise ValueError(f"{text[:40]!r} is not a state and its seconds, as in RUNNING 2.5")
        name, seconds = found.groups()
        if name not in State.__members__:
            raise ValueError(f"{name[:40]} is no state of a TES task")
        if float(seconds or 0) > _LONGEST:
            raise ValueError(f"{name} lasts too long")
        return cls(State(name), float(seconds or 0))


@dataclass(frozen=True, slots=True)
class Move:
    at: datetime
    state: State


@dataclass(frozen=True, slots=True)
class Script:
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> "Script":
        """Read states divided by commas, each with its seconds; raise `ValueError` with why not."""
        return cls(tuple(Step.parse(part.strip()) for part in text.split(",")))

    def ending(self, state: State) -> "Script":
        """The same way to another end."""
        return Script((*self.steps[:-1], replace(self.steps[-1], state=state)))

    @property
    def runs(self) -> bool:
        """Whether it is a command that decides about the end."""
        return self.steps[-1].state is State.COMPLETE and any(
            step.state is State.RUNNING for step in self.steps
        )

    def before_running(self) -> "Script":
        """Up to there; at least a moment in the queue."""
        steps = tuple(takewhile(lambda step: step.state is not State.RUNNING, self.steps))
        return Script(steps or (Step(State.QUEUED),))

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)

    def moves(self, created: datetime, speed: float = 1.0) -> tuple[Move, ...]:
        moves, at = [], created
        for step in self.steps:
            moves.append(Move(at, step.state))
            at += timedelta(seconds=step.seconds / speed)
        return tuple(moves)


DEFAULT = Script.parse(DEFAULT_TEXT)
