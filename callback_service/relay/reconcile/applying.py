"""What a poll saw becomes updates, and tells whether the server calls back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callback_service.domain.states import State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.observe import Observer, Sighting
from callback_service.relay.ports import Change
from callback_service.relay.reconcile.errand import Errand, may_be_lost
from callback_service.relay.reconcile.seen import Seen

# Tasks that are loaded and written at once.
BATCH = 500


@dataclass(frozen=True, slots=True)
class News:
    """Tasks that have changed, reads that found what no callback had told, and that confirmed.

    `unheard` are those of which the answer says nothing: it is doubtful, or a callback was faster.
    """

    changed: int = 0
    found: int = 0
    told: int = 0
    unheard: frozenset[TaskKey] = frozenset()

    def __add__(self, other: "News") -> "News":
        return News(
            self.changed + other.changed,
            self.found + other.found,
            self.told + other.told,
            self.unheard | other.unheard,
        )


def sightings(errand: Errand, seen: Seen, *, is_cover: bool) -> Iterator[Sighting]:
    """What there is to write: nothing where it is as believed, and the poll covers the task."""
    due = {task.key for task in errand.due}
    for task in errand.unsettled:
        state = seen.states.get(task.key.task_id)
        if state is None:
            if task.key.task_id in seen.missing and may_be_lost(task, errand.server):
                yield Sighting(task.key, None, task.seq, errand.began_at)
        elif state is not State.UNKNOWN and (
            state is not task.state
            or task.confirmed_at is None
            or task.missing_at is not None
            or (task.key in due and not (is_cover and task.is_in(errand.began_at)))
        ):
            yield Sighting(task.key, state, task.seq, errand.began_at)


def apply(observer: Observer, wanted: Sequence[Sighting]) -> News:
    """Raises `Unavailable` where the store did not confirm."""
    news = News()
    for begin in range(0, len(wanted), BATCH):
        batch = wanted[begin : begin + BATCH]
        news += _heard(observer.observe(batch), batch)
    return news


def _heard(changes: Sequence[Change], sighted: Sequence[Sighting]) -> News:
    lost = {sighting.key for sighting in sighted if sighting.state is None}
    heard = {change.after.key for change in changes}
    unheard = frozenset(sighting.key for sighting in sighted) - heard
    each = (_news(change, is_lost=change.after.key in lost) for change in changes)
    return sum(each, News(unheard=unheard))


def _news(change: Change, *, is_lost: bool) -> News:
    before, after = change.before or Task(change.after.key), change.after
    if after.seq > before.seq:
        # That a task is there at all is nothing that a callback would have told.
        return News(changed=1, found=int(before.seq > 0 and not is_lost))
    was_told = before.seq > 0 and before.confirmed_at is None and after.confirmed_at is not None
    return News(told=int(was_told and not is_lost))
