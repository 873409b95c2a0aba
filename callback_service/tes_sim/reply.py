"""What the server answers, and in which manner."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is sent; the plain one is at once and whole. Times in seconds."""

    delay: float = 0.0
    # Between one byte of the body and the next.
    drip: float = 0.0
    endless: bool = False
    hangs_up: bool = False


PLAIN = Manner()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    manner: Manner = PLAIN

    def json(self) -> Any:
        return json.loads(self.body)


class Refused(Exception):
    """The server does not do what was asked for; each profile has words of its own for it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def json_reply(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())
