"""What goes wrong at the simulated server."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self


class Answer(StrEnum):
    """What comes instead of the answer."""

    RIGHT = "right"
    # `status` says which.
    ERROR = "error"
    HTML = "html"
    TRUNCATED = "truncated"
    WRONG_SHAPE = "wrong_shape"
    REDIRECT = "redirect"
    ENDLESS = "endless"
    # The request is not even read; or it is done, and nobody hears of it.
    HANG_UP = "hang_up"
    LOST = "lost"


class On(StrEnum):
    """Which requests are hit: all, those that only read, or one operation of TES."""

    ALL = "all"
    READS = "reads"
    WRITES = "writes"
    LIST = "ListTasks"
    GET = "GetTask"
    CREATE = "CreateTask"
    CANCEL = "CancelTask"
    INFO = "GetServiceInfo"

    def hits(self, operation: str) -> bool:
        if self in {On.READS, On.WRITES}:
            return (operation in {On.CREATE, On.CANCEL}) is (self is On.WRITES)
        return self in {On.ALL, operation}


@dataclass(frozen=True, slots=True)
class Faults:
    """Each on its own; as they stand here nothing is wrong. Times in seconds, shares from 0 to 1.

    `answer`, `delay` and `drip` hit the requests that `on` says, `times` of them (None: all), for
    `lasting` after they were set (None: until they are changed).
    """

    # The share of callbacks that never go out.
    drop_callbacks: float = 0.0
    # The share of tasks that end PREEMPTED instead of COMPLETE.
    preempted: float = 0.0
    no_filters: bool = False
    answer: Answer = Answer.RIGHT
    status: int = 500
    location: str = "/_sim/elsewhere"
    delay: float = 0.0
    drip: float = 0.0
    on: On = On.ALL
    times: int | None = None
    lasting: float | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """From JSON; raises `ValueError` with what is wrong."""
        known = {field.name: field.default for field in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"{name[:40]} is no fault; known are {', '.join(known)}")
            _check(name, value, known[name])
        read = dict(given) | {"answer": Answer(given.get("answer", Answer.RIGHT))}
        return cls(**read | {"on": On(given.get("on", On.ALL))})

    @property
    def hits_requests(self) -> bool:
        return self.answer is not Answer.RIGHT or self.delay > 0 or self.drip > 0

    @property
    def replaces(self) -> bool:
        """Whether the request is not carried out at all."""
        return self.answer in {Answer.ERROR, Answer.REDIRECT, Answer.HANG_UP}


_NUMBERS = (int, float)
_CAN_BE_LEFT_OPEN = {"times", "lasting"}


def _check(name: str, value: Any, default: Any) -> None:
    if name in _CAN_BE_LEFT_OPEN and value is None:
        return
    kind = bool if isinstance(default, bool) else str if isinstance(default, str) else _NUMBERS
    # In Python a bool is a number.
    fits = isinstance(value, kind) and isinstance(value, bool) is isinstance(default, bool)
    # Neither below zero nor NaN.
    if not fits or (kind is _NUMBERS and not value >= 0):
        raise ValueError(f"{name}: {str(value)[:40]!r} does not fit")
