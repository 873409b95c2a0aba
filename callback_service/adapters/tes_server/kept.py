"""Connections that are kept for the next question."""

import threading
import time
from collections import defaultdict, deque

from callback_service.adapters.tes_server.connection import Connection
from callback_service.adapters.tes_server.origin import Origin

# Per origin; a burst opens more, which nobody needs when it is over.
_MOST = 32
# Servers and whatever is between close idle connections, often after a minute.
_LONGEST_SECONDS = 55.0


class KeptConnections:
    """Those that were used last are used next, so that the others grow old and are closed."""

    def __init__(self) -> None:
        self._kept: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._is_closed = False

    def take(self, origin: Origin) -> Connection | None:
        while True:
            with self._lock:
                connection = self._kept[origin].pop() if self._kept[origin] else None
            if connection is None or (_is_young(connection) and connection.is_quiet()):
                return connection
            connection.close()

    def keep(self, connection: Connection) -> None:
        connection.kept_at = time.monotonic()
        with self._lock:
            kept = self._kept[connection.origin]
            kept.append(connection)
            surplus = []
            while kept and (self._is_closed or len(kept) > _MOST or not _is_young(kept[0])):
                surplus.append(kept.popleft())
        for old in surplus:
            old.close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            everything = [connection for kept in self._kept.values() for connection in kept]
            self._kept.clear()
        for connection in everything:
            connection.close()


def _is_young(connection: Connection) -> bool:
    return time.monotonic() - connection.kept_at < _LONGEST_SECONDS
