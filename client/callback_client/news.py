"""Which tasks of a program have ended, for programs that look at all of theirs again and again.

One thread waits for it at the service, however many tasks there are.
"""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional, Sequence, Set

from callback_client.values import Update

# An answer that came at once and said nothing must not be the beginning of many in one second.
SHORTEST_ROUND = 0.5

# The updates since it was called last, waiting for some; None: the service is of no use now.
Fetch = Callable[[], Optional[Sequence[Update]]]


class News:
    """`is_current` is whether the service tells; while it does not, somebody else must be asked.

    The thread begins when somebody first takes what there is.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._change = threading.Condition()
        self._ended: Set[str] = set()
        self._thread: Optional[threading.Thread] = None
        self.is_current = False

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._ended)

    def take(self) -> Set[str]:
        """The ids of the tasks that have ended since this was called last."""
        with self._change:
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, daemon=True)
                self._thread.start()
            ended, self._ended = self._ended, set()
            return ended

    def wait(self, seconds: float) -> None:
        """Until there is something to take, or so many seconds are over."""
        with self._change:
            self._change.wait_for(lambda: bool(self._ended), max(seconds, 0))

    def _listen(self) -> None:
        while True:
            began = time.monotonic()
            updates = self._fetch()
            with self._change:
                self._ended.update(one.task_id for one in updates or () if one.final)
                self._change.notify_all()
            self.is_current = updates is not None
            if not updates:
                time.sleep(max(began + SHORTEST_ROUND - time.monotonic(), 0))
