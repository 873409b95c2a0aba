"""LIST: which tasks, which page of them."""

import base64
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callback_service.domain.states import State
from callback_service.tes_sim.profiles.profile import DEFAULT_PAGE, LARGEST_PAGE, Profile
from callback_service.tes_sim.reply import Refused
from callback_service.tes_sim.shown import View
from callback_service.tes_sim.task import SimulatedTask

Query = Sequence[tuple[str, str]]
Fits = Callable[[SimulatedTask], bool]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page: tasks before `before` (None: from the newest), `size` of them at the most."""

    before: int | None
    size: int
    view: View
    fits: Fits


def wanted(query: Query, profile: Profile, filters: AbstractSet[str], now: datetime) -> Wanted:
    first = dict(reversed(query))
    token = first.get("page_token") if profile.has_pages else None
    size = _size(first.get("page_size"), profile) if profile.has_pages else 2**31
    return Wanted(_before(token), size, view_of(query), _filter(query, filters, now))


def view_of(query: Query) -> View:
    name = dict(reversed(query)).get("view") or View.MINIMAL
    if name not in View.__members__:
        raise Refused(400, f"view: {name[:40]} is none")
    return View(name)


def page(
    tasks: Iterable[SimulatedTask], asked: Wanted, profile: Profile, now: datetime
) -> dict[str, Any]:
    """`tasks` begin where the page does; no more of them are looked at than needed."""
    shown: list[Any] = []
    last = None
    for task in tasks:
        if not asked.fits(task):
            continue
        if len(shown) == asked.size:
            return {"tasks": shown, "next_page_token": _token(last)}
        shown.append(profile.show(task, asked.view, now, profile.logs_after))
        last = task.number
    return {"tasks": shown} | ({"next_page_token": ""} if profile.says_last_page else {})


def _filter(
    query: Query, filters: AbstractSet[str], now: datetime
) -> Callable[[SimulatedTask], bool]:
    first = dict(reversed(query))
    state = _state(first.get("state")) if "state" in filters else None
    prefix = first.get("name_prefix", "") if "name_prefix" in filters else ""
    tags = _tags(query) if "tag_key" in filters else {}

    def fits(task: SimulatedTask) -> bool:
        has = task.body.get("tags") or {}
        return (
            all(key in has and value in {"", has[key]} for key, value in tags.items())
            and (not prefix or (task.body.get("name") or "").startswith(prefix))
            and (state is None or task.state(now) is state)
        )

    return fits


def _tags(query: Query) -> dict[str, str]:
    """An empty value, or none, fits any."""
    keys = [value for name, value in query if name == "tag_key"]
    values = [value for name, value in query if name == "tag_value"]
    return dict(zip(keys, values + [""] * len(keys), strict=False))


def _state(name: str | None) -> State | None:
    if name and name not in State.__members__:
        raise Refused(400, f"state: {name[:40]} is none")
    return State(name) if name else None


def _size(text: str | None, profile: Profile) -> int:
    if not text or text == "0":
        return DEFAULT_PAGE
    if not text.isdecimal():
        raise Refused(400, "page_size: not a number")
    if int(text[:9]) > LARGEST_PAGE and profile.refuses_large_pages:
        raise Refused(400, f"page_size: must be less than {LARGEST_PAGE + 1}")
    return min(int(text[:9]), LARGEST_PAGE)


def _token(number: int | None) -> str:
    return base64.urlsafe_b64encode(f"before {number}".encode()).decode()


def _before(token: str | None) -> int | None:
    if not token:
        return None
    try:
        word, number = base64.urlsafe_b64decode(token).decode().split()
        if word == "before":
            return int(number)
    except ValueError:
        pass
    raise Refused(400, "page_token: not one of this server's")
