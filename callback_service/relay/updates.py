"""What runs and clients read: updates from a cursor on, one task, many states."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from callback_service.domain.delivery import Item
from callback_service.domain.errors import CursorExpired, Unknown
from callback_service.domain.feed import SETTLING, Place, rememberable
from callback_service.domain.run import Run
from callback_service.domain.states import State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Clock, Runs, Tasks
from callback_service.relay.record import run_topic, task_topic
from callback_service.relay.servers import ServerRegistry
from callback_service.relay.watch import Watch

HEARTBEAT = 15.0
# Those who wait say so again before the workers forget it.
SAY_AGAIN = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Page:
    """Updates of a run, and the place behind them."""

    items: Sequence[Item]
    place: Place

    @property
    def cursor(self) -> str:
        return self.place.encode()


@dataclass(frozen=True)
class Reader:
    """Answers at once, or waits until there is something to answer."""

    tasks: Tasks
    runs: Runs
    watch: Watch
    clock: Clock
    retention: timedelta
    servers: ServerRegistry

    def updates(self, run: Run, cursor: str | None, limit: int, wait: float = 0) -> Page:
        """The updates after the cursor; none yet: wait so many seconds for one.

        Raises `InvalidInput` for a cursor that is none, `CursorExpired` for one
        that points before what is kept.
        """
        place = self._place(cursor)
        pages: list[Page] = []

        def is_answered() -> bool:
            pages.append(self._page(run, place, limit))
            return bool(pages[-1].items)

        def patience() -> float:
            # Nobody tells when what was seen has settled and there is room for more.
            return SETTLING.total_seconds() if pages[-1].place.is_full else math.inf

        self.watch.until(run_topic(run.id), wait, is_answered, patience)
        return pages[-1]

    def stream(self, run: Run, cursor: str | None, limit: int) -> Iterator[Page]:
        """Pages while the run is there, and this process; an empty one after `HEARTBEAT` seconds
        without news.
        """
        while not self.watch.has_stopped and self._is_open(run):
            page = self.updates(run, cursor, limit, HEARTBEAT)
            cursor = page.cursor
            yield page

    def _is_open(self, run: Run) -> bool:
        found = self.runs.outlines({run.id}).get(run.id)
        return found is not None and found.is_open(self.clock.now())

    def task(
        self, key: TaskKey, known: State | None, wait: float = 0, *, often: bool = False
    ) -> Task:
        """The task; while its state is `known`, wait so many seconds for another.

        Meanwhile its server is asked `often`, as if the caller asked at the gateway.

        Raises `Unknown` for a task that nobody told of and no run follows.
        """
        found: list[Task | None] = []

        def is_answered() -> bool:
            task = self.tasks.load([key]).get(key)
            found.append(task)
            is_waiting = task is not None and task.state == known
            if is_waiting and wait and known and not known.is_final:
                # For what its server may not tell by itself.
                self.servers.look_at([key.server], 2 * SAY_AGAIN, often=often)
            return not is_waiting

        self.watch.until(
            task_topic(key), wait if known else 0, is_answered, SAY_AGAIN.total_seconds
        )
        task = found[-1]
        if task is None:
            raise Unknown(f"no task {key.task_id!r} on server {key.server!r} is known to you")
        return task

    def states(self, keys: Sequence[TaskKey]) -> dict[TaskKey, State]:
        return self.tasks.states(keys)

    def _place(self, cursor: str | None) -> Place:
        if not cursor:
            return Place()
        place = Place.decode(cursor)
        begins = Place().since
        if begins < place.since < self.clock.now() - self.retention:
            raise CursorExpired("the cursor is older than what is kept; list again without it")
        return place

    def _page(self, run: Run, place: Place, limit: int) -> Page:
        while True:
            # Before the look: what becomes visible after it must not pass for settled.
            now = self.clock.now()
            # As many more as were shown before: else a page of those would end the reading.
            wanted = limit + len(place.seen)
            changed = self.tasks.changed_for(run.id, place.since, place.after, wanted)
            read = rememberable(changed, now)
            items = [item for task in read for item in place.new_items(task, run.id)]
            is_end = len(read) == len(changed) < wanted
            place = place.moved(read, now, is_end=is_end)
            # Tasks that only another run joined fill pages with nothing: read on.
            if items or len(read) < wanted:
                return Page(items, place)
