"""The times that others write down, on the clock of this machine that never jumps."""

import time
from datetime import datetime

_AHEAD = time.time() - time.monotonic()


def monotonic(at: datetime) -> float:
    return at.timestamp() - _AHEAD
