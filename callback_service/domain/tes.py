"""What TES servers say, read and made such that every client can read it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, NoReturn

from callback_service.domain.states import State
from callback_service.domain.tes_reading import Reader
from callback_service.domain.tes_shapes import in_the_shape_of_1_0, without_emptiness

Json = dict[str, Any]

MINIMAL = "MINIMAL"
# What TES 1.0 has for the states that came after it. It has PAUSED, too, but py-tes 0.4 has not.
_STATES_OF_1_0 = {
    State.PREEMPTED: State.SYSTEM_ERROR,
    State.CANCELING: State.RUNNING,
    State.PAUSED: State.RUNNING,
}


class NotTes(ValueError):
    """The answer is not what TES says; its text says how."""


class Variant(IntEnum):
    """The base paths in the order in which py-tes tries them (`/ga4gh/tes/v1`, `/v1`, `/`)."""

    GA4GH = 0
    V1 = 1
    ROOT = 2

    @property
    def is_old(self) -> bool:
        """Whether only clients ask here that know no more than TES 1.0."""
        return self is Variant.V1


class Tag(NamedTuple):
    """What the gateway puts on each task, so that lists can be narrowed down to them."""

    key: str
    value: str


class Seen(NamedTuple):
    """A task's id and state in an answer; the state is None where it is none that we know."""

    task_id: str
    state: State | None


@dataclass(frozen=True, slots=True)
class Manner:
    """How an answer is to look."""

    is_minimal: bool
    variant: Variant
    tag: Tag

    def of_task(self, task: Json) -> Json:
        if self.is_minimal:
            return minimal(task["id"], task.get("state"), self.variant)
        return self._tidied(task)

    def _tidied(self, task: Json) -> Json:
        own = {name: value for name, value in task.items() if name != "callback_url"}
        if isinstance(own.get("tags"), dict):
            own["tags"] = dict(item for item in own["tags"].items() if item != self.tag)
        if self.variant.is_old:
            own = in_the_shape_of_1_0(own)
            if own.get("state"):
                own["state"] = _state_for(own["state"], self.variant)
        tidy: Json = without_emptiness(own)
        return tidy


def minimal(task_id: str, state: str | None, variant: Variant) -> Json:
    """Exactly what the view MINIMAL has; a state that is left out is UNKNOWN (TES 1.1)."""
    return {"id": task_id, "state": _state_for(state or State.UNKNOWN, variant)}


def _state_for(state: str, variant: Variant) -> str:
    known = _state(state)
    return _STATES_OF_1_0.get(known, state) if variant.is_old and known else state


def _state(text: Any) -> State | None:
    try:
        return State(text)
    except ValueError:
        return None


def seen(task: Json) -> Seen:
    state = task.get("state")
    return Seen(task["id"], State.UNKNOWN if state is None else _state(state))


def read_task(body: bytes) -> Json:
    """Raises `NotTes`, as the next ones do."""
    return checked_task(_read_object(body))


def read_created(body: bytes) -> str:
    """The id that the server gave the task."""
    task_id: str = _checked_id(_read_object(body))["id"]
    return task_id


def read_cancelled(body: bytes) -> Json:
    return _read_object(body) if body.strip() else {}


def read_service_info(body: bytes) -> Json:
    return _read_object(body)


def old_service_info(info: Mapping[str, Any]) -> Json:
    """The self-description as TES 0.x had it."""
    storage = info.get("storage")
    places = storage if isinstance(storage, list) else []
    return {
        "name": _text(info.get("name")),
        "doc": _text(info.get("description")),
        "storage": [place for place in places if isinstance(place, str)],
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def checked_task(task: Any) -> Json:
    """Raises `NotTes` where it is none."""
    checked = _checked_id(task)
    if not isinstance(checked.get("state"), str | None):
        raise NotTes("the state of a task is not a string")
    return checked


def _checked_id(task: Any) -> Json:
    if not isinstance(task, dict):
        raise NotTes("a task is not a JSON object")
    if not isinstance(task.get("id"), str) or not task["id"]:
        raise NotTes("a task has no id")
    return task


@contextmanager
def reading() -> Iterator[None]:
    """Turns what can go wrong while JSON is read, and made again, into `NotTes`."""
    try:
        yield
    except NotTes:
        raise
    except (ValueError, RecursionError):
        raise NotTes("it is not JSON") from None


def reader(body: bytes) -> Reader:
    """Raises `NotTes` where `body` is no JSON object; to be used while `reading`."""
    found = Reader(_text_of(body), _DECODER)
    if not found.is_at("{"):
        raise NotTes("it is not a JSON object")
    return found


def _read_object(body: bytes) -> Json:
    with reading():
        document = _DECODER.decode(_text_of(body))
    if not isinstance(document, dict):
        raise NotTes("it is not a JSON object")
    return document


def _text_of(body: bytes) -> str:
    return body.decode(json.detect_encoding(body), "surrogatepass")


def _refuse(name: str) -> NoReturn:
    raise NotTes(f"it is not JSON: {name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise NotTes("it holds a number that is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
