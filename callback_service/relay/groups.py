"""Group commit: whoever comes while a write is on its way forms the next group."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from callback_service.domain.errors import Unavailable

T = TypeVar("T")

# Bounds what one write carries; what is over it forms the group after.
GROUP_LIMIT = 256


class _Ticket(Generic[T]):
    """One caller's item; it is woken when the item is worked off, or to lead a group."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.woken = threading.Event()
        self.is_done = False
        self.error: BaseException | None = None

    def end(self, error: BaseException | None = None) -> None:
        self.is_done, self.error = True, error
        self.woken.set()


class Groups(Generic[T]):
    """Runs `work` on groups of items, one group at a time, in the callers' own threads.

    There is no waiting window: an item that comes alone is worked off at once.
    `work` answers by item: None, or the error that its caller shall see.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[Exception | None]]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._waiting: list[_Ticket[T]] = []
        self._is_led = False

    def submit(self, item: T) -> None:
        """Return when the item's group is worked off; raise what went wrong with it."""
        ticket = _Ticket(item)
        with self._lock:
            self._waiting.append(ticket)
            leads, self._is_led = not self._is_led, True
        if not leads:
            ticket.woken.wait()
        if not ticket.is_done:
            self._lead()
        if ticket.error:
            raise ticket.error

    def _lead(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting[:GROUP_LIMIT], self._waiting[GROUP_LIMIT:]
            passed_over = list(self._waiting)
        try:
            errors = self._work([ticket.item for ticket in group])
            for ticket, error in zip(group, errors, strict=True):
                ticket.end(error)
        except BaseException as error:  # noqa: BLE001  every caller must be answered; each raises it
            for ticket in group:
                ticket.end(error)
            if isinstance(error, Unavailable):
                self._send_back(passed_over, error)
        finally:
            self._hand_over()

    def _send_back(self, passed_over: Sequence[_Ticket[T]], error: Unavailable) -> None:
        """Who found no room in a group that failed has waited for as long as a call may take.

        Group after group, the last of a thousand callers would be answered much later.
        """
        with self._lock:
            # They are the first of those who wait, and nobody has led meanwhile.
            self._waiting = self._waiting[len(passed_over) :]
        for ticket in passed_over:
            ticket.end(error)

    def _hand_over(self) -> None:
        with self._lock:
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].woken.set()
