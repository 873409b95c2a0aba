"""A database that is down must not hold up what can be done without it."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from callback_service.domain.errors import Unavailable
from callback_service.relay.ports import Clock

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

# A call may take two seconds to fail, and a request makes several; clients wait for ten.
REST = timedelta(seconds=2)


class Breaker:
    """Calls of the stores; after one that failed, the next ones fail at once for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rests_until: datetime | None = None
        # Who asks whether it is back; the others do not wait for that.
        self._asking = threading.Lock()

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Raises `Unavailable` where the store did not confirm, or where it was not asked."""
        if self._rests_until is None:
            return self._tried(function, *args, **kwargs)
        if self._clock.now() < self._rests_until or not self._asking.acquire(blocking=False):
            raise Unavailable("the database did not confirm in time; try again")
        try:
            return self._tried(function, *args, **kwargs)
        finally:
            self._asking.release()

    def _tried(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
        except Unavailable as error:
            self._rests_until = self._clock.now() + REST
            shown = {"error": str(error), "cause": error.cause}
            log.warning("gateway.unrecorded", extra={"fields": shown})
            raise
        self._rests_until = None
        return result
