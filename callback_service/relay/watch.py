"""Clients that wait: one look at the store per interval for all, none while nobody waits."""

import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from callback_service.domain.errors import Unavailable
from callback_service.domain.task import TaskKey
from callback_service.relay.ports import Clock, Tasks
from callback_service.relay.record import run_topic, task_topic

log = logging.getLogger(__name__)

LOOK_EVERY = 0.2
# A change may become visible a little after its stamp. One that takes longer wakes
# nobody, and is found when the waiting is over.
LOOK_BACK = timedelta(seconds=0.5)


class Watch:
    """Wakes waiters: at once for what this process wrote, else at the next look."""

    def __init__(self, tasks: Tasks, clock: Clock) -> None:
        self._tasks = tasks
        self._clock = clock
        self._lock = threading.Lock()
        self._waiters: dict[str, set[threading.Event]] = defaultdict(set)
        self._is_looking = False
        self.has_stopped = False

    def stop(self) -> None:
        """Let all who wait ask once more and go; nobody waits any more."""
        with self._lock:
            self.has_stopped = True
            for events in self._waiters.values():
                for event in events:
                    event.set()

    def notify(self, topics: Iterable[str]) -> None:
        with self._lock:
            for topic in topics:
                for event in self._waiters.get(topic, ()):
                    event.set()

    def until(
        self,
        topic: str,
        seconds: float,
        is_answered: Callable[[], bool],
        patience: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """Return when `is_answered`, which is asked after each change, or when time is over.

        It is also asked after so many seconds of `patience` without a change.
        """
        if seconds <= 0 or self.has_stopped:
            is_answered()
            return
        deadline = time.monotonic() + seconds
        # Waiting begins before the first question: a change between the two wakes.
        with self._waiting(topic) as event:
            while not is_answered():
                left = deadline - time.monotonic()
                if left <= 0 or self.has_stopped:
                    return
                event.wait(min(left, patience()))
                event.clear()

    @contextmanager
    def _waiting(self, topic: str) -> Iterator[threading.Event]:
        event = threading.Event()
        with self._lock:
            self._waiters[topic].add(event)
            starts, self._is_looking = not self._is_looking, True
        if starts:
            threading.Thread(target=self._look, name="watch", daemon=True).start()
        try:
            yield event
        finally:
            with self._lock:
                self._waiters[topic].discard(event)
                if not self._waiters[topic]:
                    del self._waiters[topic]

    def _look(self) -> None:
        since = self._clock.now() - LOOK_BACK
        seen: dict[TaskKey, int] = {}
        while self._somebody_waits():
            time.sleep(LOOK_EVERY)
            try:
                since, seen = self._look_once(since, seen)
            except Unavailable as error:
                log.warning("watch.blind", extra={"fields": {"error": str(error)}})
            except Exception:
                # Nobody would look any more for as long as somebody waits.
                log.exception("watch.failed")

    def _look_once(
        self, since: datetime, seen: dict[TaskKey, int]
    ) -> tuple[datetime, dict[TaskKey, int]]:
        now = self._clock.now()
        changed = self._tasks.changed_since(since)
        self.notify(
            topic
            for key, rev, runs in changed
            if seen.get(key) != rev
            for topic in (task_topic(key), *map(run_topic, runs))
        )
        return now - LOOK_BACK, {key: rev for key, rev, _ in changed}

    def _somebody_waits(self) -> bool:
        with self._lock:
            self._is_looking = bool(self._waiters)
            return self._is_looking
