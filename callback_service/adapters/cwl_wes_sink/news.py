"""What a run document is told: of each task the newest only, for it keeps no history."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from callback_service.domain.delivery import Item
from callback_service.domain.states import State
from callback_service.domain.task import TaskKey


@dataclass(frozen=True, slots=True)
class News:
    """The newest update of a task; `corrects` an end that was told before it."""

    task_id: str
    mark: str
    seq: int
    state: State
    corrects: bool = False

    def may_replace(self, state: object) -> bool:
        """Whether the task may move on from a state that stands in the document.

        cwl-WES may have written an end that we have yet to hear of: what came before it
        must not replace it, for cwl-WES may be gone before we bring the end ourselves.
        """
        return state not in _ENDS or self.state.is_final or self.corrects


_ENDS = frozenset(str(state) for state in State if state.is_final)


def news_of(items: Iterable[Item]) -> list[News]:
    """One for each task, in the order of their first appearance."""
    newest: dict[TaskKey, News] = {}
    for key, update, previous in items:
        known = newest.get(key)
        corrects = previous.is_final or (known is not None and known.corrects)
        if known is None or update.seq > known.seq:
            newest[key] = News(key.task_id, mark_of(key), update.seq, update.state, corrects)
    return list(newest.values())


def mark_of(key: TaskKey) -> str:
    """A task as a field's name, in which a dot or a dollar of its id would mean something.

    Owner and server are in it: each has a numbering of its own.
    """
    return hashlib.sha256(str(key).encode()).hexdigest()[:16]
