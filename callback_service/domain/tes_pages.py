"""Lists of tasks, told on a task at a time.

As trees they are twenty times as large as their text, and what is done in one go holds up
everybody else whom the process serves.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from callback_service.domain import tes
from callback_service.domain.tes import Json, Manner, NotTes, Seen
from callback_service.domain.tes_shapes import without_emptiness

# Characters between two breaths: a few milliseconds of work.
STRETCH = 32 * 1024
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_TOKEN = "next_page_token"  # noqa: S105  a field's name


@dataclass(frozen=True, slots=True)
class ToldPage:
    """`body` as clients get it, and what the first tasks in it are in."""

    body: bytes
    seen: tuple[Seen, ...]


def tell_page(body: bytes, manner: Manner, breathe: Callable[[], None], most_seen: int) -> ToldPage:
    """Raises `NotTes`; `breathe`, which lets others work, is called again and again."""
    seen: list[Seen] = []
    # Grows in place: pieces that are put together at the end would be one more long step.
    told = bytearray(b'{"tasks":[')
    with tes.reading():
        page = _Page(body)
        for task in page.tasks(breathe):
            if len(seen) < most_seen:
                seen.append(tes.seen(task))
            told += _written(manner.of_task(task)) + b","
        rest = _written(without_emptiness(page.rest))
    if told.endswith(b","):
        told.pop()
    told += b"]}" if rest == b"{}" else b"]," + rest[1:]
    return ToldPage(bytes(told), tuple(seen))


def _written(document: Json) -> bytes:
    return _ENCODER.encode(document).encode()


class _Page:
    """`rest` are the fields besides the tasks, and known when these were read."""

    def __init__(self, body: bytes) -> None:
        self.rest: Json = {}
        self._has_list = False
        self._reader = tes.reader(body)

    def tasks(self, breathe: Callable[[], None]) -> Iterator[Json]:
        for name in self._reader.members():
            if name == "tasks" and self._reader.is_at("[") and not self._has_list:
                self._has_list = True
                yield from self._listed(breathe)
            else:
                self.rest[name] = self._reader.value()
        self._reader.end()
        self._check()

    def _listed(self, breathe: Callable[[], None]) -> Iterator[Json]:
        breathed_at = self._reader.at
        for _ in self._reader.items():
            yield tes.checked_task(self._reader.value())
            if self._reader.at - breathed_at >= STRETCH:
                breathed_at = self._reader.at
                breathe()

    def _check(self) -> None:
        if self._has_list:
            is_page = "tasks" not in self.rest
        else:
            # Servers leave out, or write as null, what has no items.
            is_page = self.rest.keys() <= {"tasks", _TOKEN} and self.rest.get("tasks") is None
        if not is_page:
            raise NotTes("the list has no array `tasks`, or two")
