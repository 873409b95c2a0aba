"""When there is nothing more to be told of a run."""

from __future__ import annotations

from typing import Callable, Dict, Optional, Set, Tuple

from callback_client.errors import CallbackServiceError
from callback_client.updates import Page
from callback_client.values import FINAL_STATES, Run, Update


class Watching:
    """Reads the pages of a run's updates, and marks the last one.

    `read` takes a cursor and for how many seconds the answer may be held back.
    """

    def __init__(
        self,
        read: Callable[[Optional[str], float], Page],
        look: Callable[[], Run],
        *,
        wait: float,
        until_final: bool,
    ) -> None:
        self._read = read
        self._look = look
        self._wait = wait
        self._until_final = until_final
        self._seen: Dict[Tuple[str, str], int] = {}
        self._open: Set[Tuple[str, str]] = set()
        self._was_there = False

    def __call__(self, cursor: Optional[str]) -> Page:
        try:
            page = self._next(cursor)
        except CallbackServiceError as error:
            is_gone = error.status == 404 and self._was_there
            if is_gone and not self._until_final:
                return Page((), cursor or "", is_last=True)
            raise
        self._was_there = True
        return page

    def _next(self, cursor: Optional[str]) -> Page:
        # Before the page is read: what ended after it was read may not have been in it.
        has_ended = self._until_final and self._has_ended()
        page = self._read(cursor, 0 if has_ended else self._wait)
        for update in page.updates:
            self._note(update)
        return page._replace(is_last=has_ended)

    def _has_ended(self) -> bool:
        # The service need not be asked while something that was told has not ended.
        return not self._open and has_ended(self._look())

    def _note(self, update: Update) -> None:
        task = (update.server, update.task_id)
        # Old ones may be told again; a server may take an end back.
        if update.seq <= self._seen.get(task, 0):
            return
        self._seen[task] = update.seq
        if update.final:
            self._open.discard(task)
        else:
            self._open.add(task)


def has_ended(run: Run) -> bool:
    """Whether it has tasks, and all of them have ended."""
    states = {state for state, count in (run.tasks or {}).items() if count}
    return bool(states) and states <= FINAL_STATES
