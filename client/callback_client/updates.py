"""A run's updates, one after the other, whatever becomes of the connection meanwhile."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from typing import Callable, Deque, Dict, Iterator, NamedTuple, Optional, Tuple

from callback_client.errors import CallbackServiceError
from callback_client.values import Update

log = logging.getLogger("callback_client")

FIRST_DELAY = 0.25
LONGEST_DELAY = 30.0
# A `Retry-After` beyond this is taken for this: nobody waits for an hour without a look.
LONGEST_RETRY_AFTER = 300.0
# An empty answer that came at once (from a service that is about to stop, say) must not be the
# beginning of a hundred others in the same second.
SHORTEST_ROUND = 1.0
# How long a `stop` may go unnoticed in a pause.
SLICE = 0.25


class Page(NamedTuple):
    """Some updates, and where to go on after them.

    `is_last`: if there is nothing new in it, there will be nothing.
    """

    updates: Tuple[Update, ...]
    cursor: str
    is_last: bool = False


class Clock:
    """Time and chance, so that tests need to wait for neither."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def chance(self) -> float:
        return random.random()  # noqa: S311 - scatters clients that reconnect, nothing else


class Updates(Iterator[Update]):
    """Iterates over the updates of a run; made by `CallbackClient.watch` and `updates`.

    Each update comes once, those of a task in their order. One thread at a time may use it.
    """

    def __init__(
        self,
        fetch: Callable[[Optional[str]], Page],
        *,
        cursor: Optional[str] = None,
        follow: bool = True,
        stop: Optional[Callable[[], bool]] = None,
        clock: Optional[Clock] = None,
    ) -> None:
        self._fetch = fetch
        self._follow = follow
        self._stop = stop or (lambda: False)
        self._clock = clock or Clock()
        # `behind` is before the updates that are pending, `ahead` after them.
        self._behind = self._ahead = cursor or None
        self._pending: Deque[Update] = deque()
        # The updates of a task come in their order, so one number says which of them were here.
        self._seen: Dict[Tuple[str, str], int] = {}
        self._failures = 0
        self._is_away = False
        self._ended = False

    @property
    def cursor(self) -> Optional[str]:
        """Where to go on later: hand it to what made this, in another process too.

        It is behind no update that was not handed out yet. So keep it after you
        have dealt with an update, and nothing is left out; the last ones may come again.
        None while there is nothing to go on from.
        """
        return self._behind if self._pending else self._ahead

    def __next__(self) -> Update:
        """The next update; waits for it.

        Raises `CallbackServiceError` where asking again would not help (no such run, not
        allowed), and with `follow=False` whenever the service does not answer.
        """
        while not self._ended:
            if self._stop():
                break
            if self._pending:
                return self._pending.popleft()
            self._read()
        self._ended = True
        raise StopIteration

    def _read(self) -> None:
        started = self._clock.now()
        try:
            page = self._fetch(self._ahead)
        except CallbackServiceError as error:
            self._bear(error)
            return
        self._failures = 0
        if self._is_away:
            self._is_away = False
            log.warning("updates.resumed: the service is back")
        self._behind, self._ahead = self._ahead, page.cursor
        self._pending.extend(update for update in page.updates if self._is_new(update))
        if self._pending or (page.updates and self._ahead != self._behind):
            return
        if self._follow and not page.is_last:
            self._pause(started + SHORTEST_ROUND - self._clock.now())
        else:
            self._ended = True

    def _is_new(self, update: Update) -> bool:
        task = (update.server, update.task_id)
        if update.seq <= self._seen.get(task, 0):
            return False
        self._seen[task] = update.seq
        return True

    def _bear(self, error: CallbackServiceError) -> None:
        """Waits until it is worth asking again; raises the error if it never is."""
        if error.status == 410 and self._ahead:
            # The cursor is older than what is kept: from the start, without what was here.
            self._behind = self._ahead = None
            log.info("updates.expired: beginning again with the oldest that are kept")
        elif not (self._follow and error.may_pass):
            raise error
        elif not self._is_away:
            # Said once, however often it is tried again.
            self._is_away = True
            log.warning("updates.interrupted: %s; asking again until the service is back", error)
        delay = min(FIRST_DELAY * 2.0 ** min(self._failures, 16), LONGEST_DELAY)
        delay *= (1 + self._clock.chance()) / 2
        delay = max(delay, min(error.retry_after or 0, LONGEST_RETRY_AFTER))
        self._failures += 1
        self._pause(delay)

    def _pause(self, seconds: float) -> None:
        until = self._clock.now() + seconds
        while not self._stop():
            left = until - self._clock.now()
            if left <= 0:
                return
            self._clock.sleep(min(left, SLICE))
