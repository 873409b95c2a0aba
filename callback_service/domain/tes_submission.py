"""A task as a client hands it in, and as its server gets it: changed where it must be, only."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from callback_service.domain.errors import InvalidInput
from callback_service.domain.tes import Tag
from callback_service.domain.tes_reading import Reader

# TES has a dozen fields, and tags are a handful: more is a mistake, and costs every request time.
MOST_FIELDS = 10_000
_DECODER = json.JSONDecoder()

# The fields of an object, each as it was written: numbers and order survive.
_Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Submission:
    """The fields of the task that concern the gateway; `body` is as it came, and is valid JSON."""

    body: bytes
    fields: _Fields
    # None where tags are something else: its server says what is wrong.
    tags: _Fields | None

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Raises `InvalidInput` where `body`, which is valid JSON, is no task."""
        reader = Reader(body.decode(), _DECODER)
        if not reader.is_at("{"):
            raise InvalidInput("body", "must be a JSON object: a task")
        fields: dict[str, str] = {}
        for name in bounded(reader, "body"):
            if name in fields:
                # Whoever reads the other one than we do would see another task.
                raise InvalidInput(name[:64], "stands there twice")
            fields[name] = reader.written()
        return cls(body, fields, _tags(fields.get("tags", "null")))

    @property
    def callback_url(self) -> str | None:
        url = json.loads(self.fields.get("callback_url", "null"))
        if url is not None and not isinstance(url, str):
            raise InvalidInput("callback_url", "must be a string")
        return url

    def tag(self, name: str) -> str | None:
        """The value of one of its tags; what is no text is for its server to judge."""
        value = json.loads((self.tags or {}).get(name, "null"))
        return value if isinstance(value, str) and value else None

    @property
    def takes_tags(self) -> bool:
        """Whether a tag can be put on it."""
        return self.tags is not None

    def forwarded(self, tag: Tag, callback_url: str | None = None) -> bytes:
        """The task as the server gets it; with a callback URL of ours, if it calls back."""
        more = {} if callback_url is None else {"callback_url": json.dumps(callback_url)}
        if self.tags is not None:
            more["tags"] = _written(_with(self.tags, {tag.key: json.dumps(tag.value)}))
        kept = {name: text for name, text in self.fields.items() if name != "callback_url"}
        return _written(_with(kept, more)).encode()


def _tags(written: str) -> _Fields | None:
    reader = Reader(written, _DECODER)
    if reader.is_at("{"):
        # Of two with one name the server gets the one that we read.
        tags = {name: reader.written() for name in bounded(reader, "tags")}
        # Cromwell writes null for want of a parent workflow, and Funnel 0.12 refuses the task then.
        return {name: text for name, text in tags.items() if text != "null"}
    return {} if written == "null" else None


def bounded(reader: Reader, field: str) -> Iterator[str]:
    for number, name in enumerate(reader.members()):
        if number >= MOST_FIELDS:
            raise InvalidInput(field, f"must not have more than {MOST_FIELDS:,} fields")
        yield name


def _with(fields: _Fields, more: _Fields) -> _Fields:
    """What is put there stands behind everything else."""
    return {**{name: text for name, text in fields.items() if name not in more}, **more}


def _written(fields: _Fields) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in fields.items()) + "}"
