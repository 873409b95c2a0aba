"""LIST: which tasks, which page of them."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from callback_service.domain.states import State
from callback_service.tes_sim import page_token
from callback_service.tes_sim.profiles import Profile
from callback_service.tes_sim.reply import Refused
from callback_service.tes_sim.request import Request
from callback_service.tes_sim.shown import View
from callback_service.tes_sim.task import SimulatedTask

DEFAULT_PAGE, LARGEST_PAGE = 256, 2047
_ALL = 2**31


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page: tasks before `before` (None: from the newest), `size` of them at the most."""

    before: int | None
    size: int
    view: View
    fits: Callable[[SimulatedTask], bool]


def wanted(request: Request, profile: Profile, filters: AbstractSet[str]) -> Wanted:
    view, fits = view_of(request), _filter(request, filters)
    if not profile.has_pages:
        return Wanted(None, _ALL, view, fits)
    before = page_token.read(request.first("page_token"))
    return Wanted(before, _size(request.first("page_size"), profile), view, fits)


def view_of(request: Request) -> View:
    name = request.first("view") or View.MINIMAL
    if name not in View.__members__:
        raise Refused(400, f"view: {name[:40]} is none")
    return View(name)


def page(
    tasks: Iterable[SimulatedTask], asked: Wanted, profile: Profile, request: Request
) -> dict[str, Any]:
    """`tasks` begin where the page does; no more of them are looked at than needed."""
    found: list[SimulatedTask] = []
    is_last = True
    for task in filter(asked.fits, tasks):
        if len(found) == asked.size:
            is_last = False
            break
        found.append(task)
        if profile.looks_no_further and len(found) == asked.size:
            is_last = False
            break
    shown = [profile.show(task, asked.view, request.at, profile.logs_after) for task in found]
    if is_last:
        return {"tasks": shown} | ({"next_page_token": ""} if profile.says_last_page else {})
    return {"tasks": shown, "next_page_token": page_token.write(found[-1].number)}


def _filter(request: Request, filters: AbstractSet[str]) -> Callable[[SimulatedTask], bool]:
    state = _state(request.first("state")) if "state" in filters else None
    prefix = (request.first("name_prefix") or "") if "name_prefix" in filters else ""
    tags = _tags(request) if "tag_key" in filters else {}

    def fits(task: SimulatedTask) -> bool:
        has = task.body.get("tags") or {}
        return (
            all(key in has and value in {"", has[key]} for key, value in tags.items())
            and (not prefix or (task.body.get("name") or "").startswith(prefix))
            and (state is None or task.state(request.at) is state)
        )

    return fits


def _tags(request: Request) -> dict[str, str]:
    """An empty value, or none, fits any."""
    keys, values = request.all("tag_key"), request.all("tag_value")
    return dict(zip(keys, values + [""] * len(keys), strict=False))


def _state(name: str | None) -> State | None:
    if name and name not in State.__members__:
        raise Refused(400, f"state: {name[:40]} is none")
    return State(name) if name else None


def _size(text: str | None, profile: Profile) -> int:
    if not text or text == "0":
        return DEFAULT_PAGE
    if not (text.isascii() and text.isdecimal()):
        raise Refused(400, "page_size: not a number")
    size = int(text[:9])
    if size > LARGEST_PAGE and profile.refuses_large_pages:
        raise Refused(400, f"page_size: must be less than {LARGEST_PAGE + 1}")
    return min(size, LARGEST_PAGE)
