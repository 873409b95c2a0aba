"""What the gateway answers, whoever it comes from."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from callback_service.domain.errors import ServerFailed
from callback_service.relay.ports import Reply

JSON = "application/json"
PROBLEM = "application/problem+json"

# Errors are for people, and for programs that read a code out of them.
LONGEST_ERROR = 64 * 1024
LONGEST_TEXT = 1024
# What servers say of an error besides its body. Only what looks like it is handed on: what else
# stands there could be meant for whoever is behind us.
_HEADERS = {
    "retry-after": ("Retry-After", re.compile(r"[0-9]{1,9}|[A-Za-z]{3}, [0-9A-Za-z :-]{1,40}")),
    "www-authenticate": ("WWW-Authenticate", re.compile(r"[\x20-\x7e]{1,1024}")),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON with its status; or, with a `detail`, a problem that says it."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    detail: str | None = None

    @property
    def is_success(self) -> bool:
        return is_success(self.status)

    def saying(self, **headers: str) -> Self:
        """With headers besides, whose names have underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **named})


def is_success(status: int) -> bool:
    return 200 <= status < 300


def answer_of(document: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document, separators=(",", ":")).encode())


def passed_on(reply: Reply) -> Answer:
    """An error of the server, in its own words if they are JSON."""
    if len(reply.body) <= LONGEST_ERROR and _is_json(reply.body):
        return Answer(reply.status, reply.body, _content_type(reply), _headers(reply))
    said = _text(reply)
    what = f": {said}" if said else ", and nothing that could be handed on"
    detail = f"the TES server answered {reply.status}{what}"
    return Answer(reply.status, headers=_headers(reply), detail=detail)


def failed(error: ServerFailed) -> Answer:
    return Answer(status_of(error), detail=str(error))


def status_of(error: ServerFailed) -> int:
    return 504 if error.is_late else 502


def _headers(reply: Reply) -> dict[str, str]:
    given = ((name, shape, reply.headers.get(key, "")) for key, (name, shape) in _HEADERS.items())
    return {name: value for name, shape, value in given if shape.fullmatch(value)}


def _content_type(reply: Reply) -> str:
    given = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return PROBLEM if given == PROBLEM else JSON


def _text(reply: Reply) -> str:
    """What servers say that do not say it in JSON, on one line; pages for browsers are no text."""
    if not reply.headers.get("content-type", "text/plain").lower().startswith("text/plain"):
        return ""
    text = " ".join(reply.body[:LONGEST_TEXT].decode(errors="replace").split())
    return "".join(char for char in text if char.isprintable())


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
