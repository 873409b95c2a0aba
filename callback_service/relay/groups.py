"""Group commit: whoever comes while a write is on its way forms the next group."""

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
        raise Unavailable("the database did not confirm in time; try again")

    def _lead(self, leader: _Ticket[T]) -> None:
        with self._lock:
            group, self._waiting = self._waiting[:GROUP_LIMIT], self._waiting[GROUP_LIMIT:]
        try:
            with self._bound(leader.left):
                errors = self._work([ticket.item for ticket in group])
            for ticket, error in zip(group, errors, strict=True):
                ticket.end(error)
        except BaseException as error:  # noqa: BLE001  every caller must be answered; each raises it
            for ticket in group:
                ticket.end(error)
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        with self._lock:
            self._is_led = bool(self._waiting)
            if self._waiting:
                # The last of those whom the group has room for: it has the most time left, and
                # the others need not wait for longer than they can.
                self._waiting[:GROUP_LIMIT][-1].woken.set()
