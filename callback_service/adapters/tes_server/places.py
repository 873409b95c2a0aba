"""No server takes up the whole process."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from callback_service.domain.errors import ServerFailed


class Places:
    """How many questions are under way to each server, and no more than some."""

    def __init__(self, per_server: int) -> None:
        self._per_server = per_server
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, key: str) -> Iterator[None]:
        with self._lock:
            if self._taken[key] >= self._per_server:
                raise ServerFailed(
                    f"the TES server {key} is being asked {self._per_server} things already: "
                    "there are too many requests under way"
                )
            self._taken[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[key] -= 1
