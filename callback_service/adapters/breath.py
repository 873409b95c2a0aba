"""Where one greenlet has much to do, the others get on in between."""

import time
from collections.abc import Callable

# Seconds: others hardly feel them, and each turn of theirs may take as long.
HELD = 0.003
# Not 0: gevent would come back to us up to fifty times before it looks at the connections.
AWAY = 0.0005


class Breath:
    """To be called often; it is one for all of the process, as somebody's breath is all others'."""

    def __init__(
        self,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._breathed_at = clock()

    def __call__(self) -> None:
        if self._clock() - self._breathed_at >= HELD:
            self._sleep(AWAY)
            self._breathed_at = self._clock()
