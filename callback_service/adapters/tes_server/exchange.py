"""The deadline of a question, which holds whatever the server does.

A timeout of a socket is one of each single operation: a server that sends a byte now and then
never exceeds it. So every question has an `Exchange`, and one watchdog for all of them shuts down
the socket of whichever is not over at its deadline. Whoever reads from it, or writes to it, then
finds it closed. This holds for plain threads and for greenlets (where gevent has replaced
`threading`, the watchdog is one, too), for headers, bodies and the bytes of a TLS handshake.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Exchange:
    """One question under way, with all the requests that answering it takes."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.deadline = time.monotonic() + patience
        # Whether a connection is, or was, being made in vain.
        self.is_unreached = False
        self._is_expired = False
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    @property
    def is_late(self) -> bool:
        return self._is_expired or time.monotonic() >= self.deadline

    def left(self) -> float:
        """The seconds until the deadline, never 0. Raises `TimeoutError`."""
        left = self.deadline - time.monotonic()
        if self._is_expired or left <= 0:
            raise TimeoutError
        return left

    def guard(self, sock: socket.socket) -> None:
        """Let the deadline shut this socket down, instead of the one before. Raises as `left`."""
        # A descriptor of our own stays valid while TLS wraps the socket in another object, and
        # cannot have become somebody else's connection when we come to shut it down.
        descriptor = os.dup(sock.fileno())
        with self._lock:
            before, self._descriptor = self._descriptor, descriptor
        if before is not None:
            os.close(before)
        self.left()

    def expire(self) -> None:
        with self._lock:
            self._is_expired = True
            if self._descriptor is not None:
                _shut_down(self._descriptor)

    def end(self) -> None:
        """No socket is shut down after this."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _shut_down(descriptor: int) -> None:
    # What is not connected, or no longer, cannot be shut down, and need not be.
    with suppress(OSError):
        sock = socket.socket(fileno=descriptor)
        try:
            sock.shutdown(socket.SHUT_RDWR)
        finally:
            sock.detach()


class Watchdog:
    """Ends exchanges at their deadlines.

    All have the same patience, so that those that began first are due first: the one thread
    sleeps until the deadline of the first, and by then most are long over. Thousands of questions
    wake it no more often than a few. It ends when nothing is under way.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._under_way: dict[Exchange, None] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def exchange(self) -> Iterator[Exchange]:
        exchange = self._begin()
        try:
            yield exchange
        finally:
            with self._changed:
                self._under_way.pop(exchange, None)
            exchange.end()

    def close(self) -> None:
        """Do not sleep on when nothing is under way."""
        with self._changed:
            thread = self._thread
            self._changed.notify()
        if thread:
            thread.join(1.0)

    def _begin(self) -> Exchange:
        with self._changed:
            # Made under the lock: they stand in the order of their deadlines.
            exchange = Exchange(self._patience)
            self._under_way[exchange] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="tes-deadlines")
                self._thread.daemon = True
                self._thread.start()
        return exchange

    def _watch(self) -> None:
        with self._changed:
            while self._under_way:
                first = next(iter(self._under_way))
                left = first.deadline - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                else:
                    del self._under_way[first]
                    first.expire()
            self._thread = None
