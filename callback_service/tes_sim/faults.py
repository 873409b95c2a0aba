"""What goes wrong at the simulated server, and how its answers look then."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from callback_service.tes_sim.reply import JSON, PLAIN, Manner, Reply


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
        writes = operation in {On.CREATE, On.CANCEL}
        return self is On.ALL or operation == self or {On.READS: not writes}.get(self, writes)


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
    def read(cls, given: Any) -> Self:
        """From JSON; raises `ValueError` with what is wrong."""
        if not isinstance(given, Mapping):
            raise ValueError("not a JSON object")  # noqa: TRY004  wrong JSON is one kind of error
        known = {field.name: field.default for field in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"{name[:40]} is no fault; known are {', '.join(known)}")
            _check(name, value, known[name])
        read = dict(given) | {"answer": Answer(given.get("answer", Answer.RIGHT))}
        return cls(**read | {"on": On(given.get("on", On.ALL))})

    @property
    def is_request_hit(self) -> bool:
        return self.answer is not Answer.RIGHT or self.delay > 0 or self.drip > 0

    @property
    def replaces(self) -> bool:
        """Whether the request is not carried out at all."""
        return self.answer in {Answer.ERROR, Answer.REDIRECT, Answer.HANG_UP}


_NUMBERS = (int, float)


def _check(name: str, value: Any, default: Any) -> None:
    if name in {"times", "lasting"}:
        fits = value is None or (isinstance(value, _NUMBERS) and value >= 0)
    elif isinstance(default, bool) or isinstance(value, bool):
        fits = isinstance(value, bool) and isinstance(default, bool)
    elif isinstance(default, _NUMBERS):
        fits = isinstance(value, _NUMBERS) and value >= 0
    else:
        fits = isinstance(value, str)
    if not fits:
        raise ValueError(f"{name}: {str(value)[:40]!r} does not fit")


def spoilt(reply: Reply, faults: Faults) -> Reply:
    """The right answer as the fault lets it out."""
    manner = Manner(faults.delay, faults.drip)
    text = Reply(reply.status, reply.body, reply.headers, manner)
    match faults.answer:
        case Answer.HTML:
            html = b"<!doctype html><title>Sign in</title><h1>Please sign in</h1>"
            return Reply(200, html, {"Content-Type": "text/html; charset=utf-8"}, manner)
        case Answer.TRUNCATED:
            return Reply(reply.status, reply.body[: len(reply.body) // 2], JSON, manner)
        case Answer.WRONG_SHAPE:
            return Reply(200, b'[{"tasks": 5, "id": null, "state": {}}]', JSON, manner)
        case Answer.ENDLESS:
            return Reply(200, b'{"tasks": [', JSON, Manner(faults.delay, endless=True))
        case Answer.LOST:
            return HUNG_UP
    return text


HUNG_UP = Reply(0, b"", JSON, Manner(hangs_up=True))


def instead(faults: Faults, error: Reply) -> Reply:
    """What comes without anything being done; `error` is as the server words it."""
    manner = Manner(faults.delay, faults.drip)
    if faults.answer is Answer.HANG_UP:
        return HUNG_UP
    if faults.answer is Answer.REDIRECT:
        return Reply(302, b"", {"Location": faults.location}, manner)
    return Reply(error.status, error.body, error.headers, manner if manner != PLAIN else PLAIN)
