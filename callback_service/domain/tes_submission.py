"""A task as a client hands it in, and as its server gets it: changed where it must be, only."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from callback_service.domain.errors import InvalidInput
from callback_service.domain.tes import Tag

_WHITESPACE = " \t\n\r"
_DECODER = json.JSONDecoder()


class _Member(NamedTuple):
    """A field of an object as it was written: numbers and order survive."""

    name: str
    written: str

    @property
    def value(self) -> Any:
        return json.loads(self.written)


@dataclass(frozen=True, slots=True)
class Submission:
    """The fields of the task that concern the gateway; `body` is as it came, and is valid JSON."""

    body: bytes
    members: tuple[_Member, ...]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Raises `InvalidInput` where `body`, which is valid JSON, is no task."""
        text = body.decode()
        if not text.lstrip(_WHITESPACE).startswith("{"):
            raise InvalidInput("body", "must be a JSON object: a task")
        members = tuple(_members(text))
        name, times = max(
            Counter(member.name for member in members).items(), key=_times, default=("", 0)
        )
        if times > 1:
            # Whoever reads the other one than we do would see another task.
            raise InvalidInput(name[:64], "stands there twice")
        return cls(body, members)

    @property
    def callback_url(self) -> str | None:
        url = self._value("callback_url")
        if url is not None and not isinstance(url, str):
            raise InvalidInput("callback_url", "must be a string")
        return url

    def tag(self, name: str) -> str | None:
        """The value of one of its tags; what is no text is for its server to judge."""
        tags = self._value("tags")
        value = tags.get(name) if isinstance(tags, dict) else None
        return value if isinstance(value, str) and value else None

    @property
    def takes_tags(self) -> bool:
        """Whether a tag can be put on it: else its server says what is wrong."""
        return self._tags == "null" or self._tags.startswith("{")

    def forwarded(self, tag: Tag, callback_url: str | None = None) -> bytes:
        """The task as the server gets it; with a callback URL of ours, if it calls back."""
        kept = [member for member in self.members if member.name != "callback_url"]
        if callback_url is not None:
            kept.append(_Member("callback_url", json.dumps(callback_url)))
        if self.takes_tags:
            kept = [member for member in kept if member.name != "tags"]
            kept.append(_Member("tags", self._tagged(tag)))
        return _written(kept).encode()

    def _tagged(self, tag: Tag) -> str:
        given = [] if self._tags == "null" else _members(self._tags)
        others = [member for member in given if member.name != tag.key]
        return _written([*others, _Member(tag.key, json.dumps(tag.value))])

    @property
    def _tags(self) -> str:
        return next((member.written for member in self.members if member.name == "tags"), "null")

    def _value(self, name: str) -> Any:
        return next((member.value for member in self.members if member.name == name), None)


def _members(text: str) -> list[_Member]:
    """The fields of a JSON object that is known to be one."""
    found = []
    at = _behind_space(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _behind_space(text, text.index(":", at) + 1)
        _, end = _DECODER.raw_decode(text, at)
        found.append(_Member(name, text[at:end]))
        at = _behind_space(text, end)
        if text[at] == ",":
            at = _behind_space(text, at + 1)
    return found


def _behind_space(text: str, at: int) -> int:
    while text[at] in _WHITESPACE:
        at += 1
    return at


def _written(members: list[_Member]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {written}" for name, written in members) + "}"


def _times(counted: tuple[str, int]) -> int:
    return counted[1]
