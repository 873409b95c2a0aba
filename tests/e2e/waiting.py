"""A client whose request the service holds back."""

import time
from concurrent.futures import ThreadPoolExecutor


class Waiting:
    """A request that is held back, and when its answer came."""

    def __init__(self, ask):
        self._pool = ThreadPoolExecutor(1)
        self._answer = self._pool.submit(lambda: (ask(), time.monotonic()))

    @property
    def is_over(self):
        return self._answer.done()

    def end(self):
        answer, at = self._answer.result(30)
        self._pool.shutdown()
        return answer, at


def until_asked(waiting):
    """As long as it takes the service to begin to wait, about."""
    time.sleep(0.5)
    assert not waiting.is_over
