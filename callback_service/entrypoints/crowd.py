"""How many callbacks are let in at once; who comes to a crowd is sent away at little cost.

Beyond what a process can do, each callback that is let in makes all others later, until their
senders give up and send again what was acknowledged too late: the more come, the fewer get through.

Sending away costs something, too. Those who come again each second keep a process from its work as
soon as there are many, and the fewer it takes the more of them there are. So they are told to come
again later, the more of them there are: as they can be taken.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from callback_service.entrypoints.api.problems import problem

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

log = logging.getLogger(__name__)

_CALLBACKS = "/callbacks/"
# Seconds after which to come again, at least and at most.
SOONEST, LATEST = 1.0, 60.0
# Seconds between two lines in the log.
_QUIET = 1.0


class Outside:
    """Those who were sent away, and will come again when they were told to.

    Each of them comes once in such a time: as many as were refused in it are outside, and it takes
    as long until all of them are in as those who were taken in it say. Until then is the next time.
    """

    def __init__(self, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._time = SOONEST
        self._began = clock()
        self._refused = 0
        self._taken = 0

    def take(self) -> None:
        self._taken += 1

    def send_away(self) -> int:
        """In how many seconds to come again: not all of them at once."""
        self._refused += 1
        lasted = self._clock() - self._began
        if lasted >= self._time:
            until_all_are_in = self._refused * lasted / max(self._taken, 1)
            self._time = min(max(until_all_are_in, SOONEST), LATEST)
            self._began, self._refused, self._taken = self._clock(), 0, 0
        return math.ceil(self._time * (0.5 + self._chance()))


class Crowd:
    """WSGI middleware; all but callbacks goes through it as it is.

    An answer that is returned is complete: callbacks have none that is streamed.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._app = app
        self._outside = Outside(clock, chance)
        self._at_once = at_once
        self._clock = clock
        self._inside = 0
        self._refused = 0
        self._quiet_until = 0.0

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(_CALLBACKS):
            return self._app(environ, start_response)
        if self._inside >= self._at_once:
            self._note()
            return _refusal(self._outside.send_away())(environ, start_response)
        # No lock: greenlets take turns only where they wait.
        self._inside += 1
        self._outside.take()
        try:
            return self._app(environ, start_response)
        finally:
            self._inside -= 1

    def _note(self) -> None:
        self._refused += 1
        now = self._clock()
        if now >= self._quiet_until:
            fields = {"at_once": self._at_once, "refused": self._refused}
            log.warning("callbacks.crowded", extra={"fields": fields})
            self._refused, self._quiet_until = 0, now + _QUIET


def _refusal(later: int) -> "WSGIApplication":
    return problem(
        503,
        "more callbacks come than can be taken; nothing was acknowledged: send it again",
        headers={"Retry-After": str(later)},
    )
