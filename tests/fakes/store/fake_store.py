"""What all stores in memory share."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from callback_service.domain.errors import Unavailable


class FakeStore:
    """One lock, and a switch: while `is_down`, every call raises `Unavailable`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.is_down = False

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self.is_down:
                raise Unavailable("the database did not confirm in time; try again")
            yield


def latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time), default=None)
