"""Threads that all need the same of the service: the first asks for it, and the others wait."""

from __future__ import annotations

import threading
from typing import Optional


class Turns:
    """`with` it, one goes after the other; whoever stood behind one that failed fails with it.

    A service that hangs would else hold up each of them for as long as all before it together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._last: Optional[Exception] = None

    def __enter__(self) -> None:
        failures = self._failures
        self._lock.acquire()
        if self._last is not None and self._failures != failures:
            self._lock.release()
            raise self._last

    def __exit__(self, _kind: object, error: Optional[BaseException], _where: object) -> None:
        # Ctrl-C is meant for one thread.
        if isinstance(error, Exception):
            self._last = error
            self._failures += 1
        self._lock.release()
