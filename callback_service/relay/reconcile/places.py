"""Where polls run: threads that keep no process alive."""

import threading
from collections.abc import Callable


class Places:
    """So many at once. Whoever finds none free comes again: nobody queues."""

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)

    def start(self, work: Callable[[], None]) -> bool:
        if not self._free.acquire(blocking=False):
            return False

        def run() -> None:
            try:
                work()
            finally:
                self._free.release()

        # A request to a server that hangs ends with the process.
        threading.Thread(target=run, name="poll", daemon=True).start()
        return True
