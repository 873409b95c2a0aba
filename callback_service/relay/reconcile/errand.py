"""What a look at a server's tasks found: whether to ask it, for which of them, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from callback_service.domain.freshness import Patience, Unsettled, due_at, known_at
from callback_service.domain.polling import Filters
from callback_service.domain.server import Access, Server
from callback_service.domain.states import State
from callback_service.domain.task import TaskKey
from callback_service.domain.ways import Way, cheapest, costs, needs_of
from callback_service.relay.reconcile.memory import Memory
from callback_service.relay.reconcile.seen import Seen

# Tasks of a server that are looked at. Those beyond come when these have ended.
MOST_TASKS = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Errand:
    """`began_at` is from before the tasks were read; `requests` is what it is thought to cost."""

    server: Server
    began_at: datetime
    unsettled: Sequence[Unsettled]
    due: Sequence[Unsettled]
    way: Way
    requests: int

    def is_covered_by(self, seen: Seen) -> bool:
        """Whether nothing that was open when it began has been left out."""
        return len(self.unsettled) < MOST_TASKS and all(
            task.missing_at is not None or seen.has(task.key.task_id) for task in self.unsettled
        )

    def untold(self, seen: Seen) -> set[TaskKey]:
        """The due tasks of which the server said nothing that can be used."""
        return {
            task.key
            for task in self.due
            if task.key.task_id in seen.silent
            or seen.states.get(task.key.task_id) is State.UNKNOWN
            or (task.key.task_id in seen.missing and not may_be_lost(task, self.server))
        }


def may_be_lost(task: Unsettled, server: Server) -> bool:
    """Where callers show credentials of their own, ours may not see their tasks."""
    return server.access is not Access.PASS or task.state.is_final


def due_ones(
    unsettled: Sequence[Unsettled],
    server: Server,
    patience: Patience,
    memory: Memory,
    now: datetime,
) -> list[Unsettled]:
    """The tasks to ask for, in the order in which each would be."""
    due = [task for task in unsettled if _is_due(task, server, patience, now)]
    return sorted(
        (task for task in due if memory.put_off_until(task) <= now),
        key=lambda task: (memory.put_off_until(task), known_at(task, server) or _EPOCH),
    )


def _is_due(task: Unsettled, server: Server, patience: Patience, now: datetime) -> bool:
    at = due_at(task, server, patience, now)
    return at is None or at <= now


def errand_of(
    server: Server,
    unsettled: Sequence[Unsettled],
    due: Sequence[Unsettled],
    memory: Memory,
    began_at: datetime,
) -> Errand:
    needs = needs_of(unsettled, due)
    found = costs(
        needs,
        lists=memory.lists(began_at),
        narrows=server.polling.filters is Filters.HONOURED,
        listed=memory.listed(began_at),
    )
    way = cheapest(needs, found)
    # One by one they can be asked for as the budget allows; half a list is worth little.
    requests = 1 if way is Way.EACH else int(found[way])
    return Errand(server, began_at, unsettled, due, way, requests)
