"""Group commit: whoever comes while a write is on its way forms the next group.

Where more come than can be worked off, time must not be spent on those who will be gone before it
is done: a store that works for nobody falls behind for good, however many it could serve. So a
group is as large as what was done lately in the time that it has, and who has waited for so long
that he might not see its end is sent away before it begins.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar

from callback_service.domain.errors import Unavailable
from callback_service.relay.ports import Bound

T = TypeVar("T")

# Bounds what one write carries; what is over it forms the group after.
GROUP_LIMIT = 256
# What a group may take of the time in which its callers are answered.
_SHARE = 0.25
_LATE = "the database did not confirm in time; try again"


def unbounded(_seconds: float) -> AbstractContextManager[None]:
    """For stores that answer at once."""
    return nullcontext()


class _Ticket(Generic[T]):
    """One caller's item; it is woken when the item is worked off, or to lead a group."""

    def __init__(self, item: T, until: float) -> None:
        self.item = item
        self.until = until
        self.woken = threading.Event()
        self.is_done = False
        self.error: BaseException | None = None

    @property
    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def end(self, error: BaseException | None = None) -> None:
        self.is_done, self.error = True, error
        self.woken.set()


class _Size:
    """How many are worked off in the time that a group has."""

    def __init__(self, seconds: float) -> None:
        self.limit = GROUP_LIMIT
        self._seconds = seconds

    def learn(self, items: int, took: float) -> None:
        if took > self._seconds:
            self.limit = max(1, items // 2)
        elif items >= self.limit and took < self._seconds / 2:
            self.limit = min(GROUP_LIMIT, 2 * self.limit)


class Groups(Generic[T]):
    """Runs `work` on groups of items, one group at a time, in the callers' own threads.

    There is no waiting window: an item that comes alone is worked off at once.
    `work` answers by item: None, or the error that its caller shall see.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[Exception | None]],
        patience: float = threading.TIMEOUT_MAX,
        bound: Bound = unbounded,
    ) -> None:
        """`patience`: seconds in which each caller is answered; `bound` holds `work` to them."""
        self._work = work
        self._patience = patience
        self._needed = patience * _SHARE
        self._size = _Size(self._needed)
        self._bound = bound
        self._lock = threading.Lock()
        self._waiting: list[_Ticket[T]] = []
        self._is_led = False

    def submit(self, item: T) -> None:
        """Return when the item's group is worked off; raise what went wrong with it.

        Raises `Unavailable` when the time is over: the item may be worked off all the same.
        """
        ticket = _Ticket(item, time.monotonic() + self._patience)
        with self._lock:
            self._waiting.append(ticket)
            leads, self._is_led = not self._is_led, True
        if not leads and not ticket.woken.wait(ticket.left):
            self._give_up(ticket)
        if not ticket.is_done:
            self._lead(ticket)
        if ticket.error:
            raise ticket.error

    def _give_up(self, ticket: _Ticket[T]) -> None:
        with self._lock:
            if ticket.woken.is_set():
                # At the last moment; who is to lead must, for all others count on it.
                return
            if ticket in self._waiting:
                self._waiting.remove(ticket)
        raise Unavailable(_LATE)

    def _lead(self, leader: _Ticket[T]) -> None:
        with self._lock:
            limit = self._size.limit
            group, self._waiting = self._waiting[:limit], self._waiting[limit:]
        began = time.monotonic()
        try:
            with self._bound(leader.left):
                errors = self._work([ticket.item for ticket in group])
            for ticket, error in zip(group, errors, strict=True):
                ticket.end(error)
        except BaseException as error:  # noqa: BLE001  every caller must be answered; each raises it
            for ticket in group:
                ticket.end(error)
        finally:
            self._size.learn(len(group), time.monotonic() - began)
            self._hand_over()

    def _hand_over(self) -> None:
        with self._lock:
            while self._waiting and self._waiting[0].left < self._needed:
                self._waiting.pop(0).end(Unavailable(_LATE))
            self._is_led = bool(self._waiting)
            if self._waiting:
                # The last of those whom the group has room for: it has the most time left, and
                # the others need not wait for longer than they can.
                self._waiting[: self._size.limit][-1].woken.set()
