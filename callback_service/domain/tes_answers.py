"""What TES servers answer who asks for states: read as it comes, for no two write it alike."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from callback_service.domain.states import State

_TOKEN = "next_page_token"  # noqa: S105  a field's name


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: states by task id, and the token of the next page.

    `skipped` counts what is no task in a state that TES knows.
    """

    states: Mapping[str, State]
    next_token: str = ""
    skipped: int = 0


def read_page(body: bytes) -> Page:
    """Raises `ValueError` where the body is no list of tasks."""
    document = _read_object(body)
    # Protocol buffers as JSON leave out what is empty.
    items = document.get("tasks")
    items = [] if items is None else items
    if not isinstance(items, list) or ("tasks" not in document and document.keys() - {_TOKEN}):
        raise ValueError("it has no list of `tasks`")
    states: dict[str, State] = {}
    for item in items:
        match item:
            case {"id": str(task_id)} if task_id and (state := _state_of(item)):
                states[task_id] = state
    token = document.get(_TOKEN)
    return Page(states, token if isinstance(token, str) else "", len(items) - len(states))


def read_state(body: bytes, task_id: str) -> State:
    """Raises `ValueError` where the body is not that task in a state that TES knows."""
    document = _read_object(body)
    state = _state_of(document)
    if document.get("id") != task_id or state is None:
        raise ValueError("it is not the task that was asked for, in a state of TES")
    return state


def read_wait(headers: Mapping[str, str], now: datetime) -> timedelta:
    """How long the server wants to be left alone (`Retry-After`: seconds, or a date)."""
    text = headers.get("retry-after", "").strip()
    try:
        if text.isascii() and text.isdecimal():
            return timedelta(seconds=float(text))
        date = parsedate_to_datetime(text)
        return max((date if date.tzinfo else date.replace(tzinfo=UTC)) - now, timedelta())
    except (ValueError, OverflowError):
        return timedelta()


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004  the body is wrong, not a type
    return document


def _state_of(item: Mapping[str, Any]) -> State | None:
    """None where it is in a state that TES does not know; without any it is UNKNOWN."""
    name = item.get("state") or State.UNKNOWN
    return State(name) if isinstance(name, str) and name in State.__members__ else None
