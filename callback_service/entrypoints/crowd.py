"""How many callbacks are let in at once; who comes to a crowd is sent away at little cost.

Beyond what a process can do, each callback that is let in makes all others later, until they are
refused for want of time, after all the work of letting them in: the more come, the fewer get
through. So the fewer are let in, the more of them are refused inside.

Sending away costs something, too. Those who come again each second keep a process from its work as
soon as there are many, and the fewer it takes the more of them there are. So they are told to come
again later, the more of them there are: as they can be taken. Not all of them obey, but whoever
waits for an answer does not come again meanwhile.
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
SOONEST, LATEST = 1.0, 20.0
# So many are let in however many of them are refused: enough to learn that it goes better.
_LEAST = 16
# After a second in which some were refused inside; and with each who was not.
_FEWER, _MORE = 0.75, 0.1
# Seconds for which who is sent away waits for his answer; within two he has it.
HOLD = 1.0
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


class Room:
    """How many may be inside: fewer where some were refused there, and more again where not.

    The common rule of congestion control: additive increase, multiplicative decrease.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self.places = float(most)
        self._most = most
        self._clock = clock
        self._fewer_at = -math.inf

    def learn(self, inside: int, *, was_refused: bool) -> None:
        if not was_refused:
            self.places = min(self._most, self.places + _MORE)
        elif (now := self._clock()) >= self._fewer_at:
            # Once a second: those who are refused together are one piece of news.
            self._fewer_at = now + 1.0
            least = min(_LEAST, self._most)
            self.places = max(least, _FEWER * min(inside, self.places))


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
        hold: Callable[[float], object] = time.sleep,
    ) -> None:
        self._app = app
        self._hold = hold
        self._held = 0
        self._most = at_once
        self._outside = Outside(clock, chance)
        self._room = Room(at_once, clock)
        self._clock = clock
        self._inside = 0
        self._refused = 0
        self._quiet_until = 0.0

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(_CALLBACKS):
            return self._app(environ, start_response)
        if self._inside >= self._room.places:
            return self._send_away()(environ, start_response)
        # No lock: greenlets take turns only where they wait.
        self._inside += 1
        self._outside.take()
        try:
            return self._app(environ, self._learning(start_response))
        finally:
            self._inside -= 1

    def _send_away(self) -> "WSGIApplication":
        self._note()
        later = self._outside.send_away()
        # Each of them costs a greenlet and a connection: not for any number.
        if self._held < self._most:
            self._held += 1
            try:
                self._hold(HOLD)
            finally:
                self._held -= 1
        return _refusal(later)

    def _learning(self, start_response: "StartResponse") -> "StartResponse":
        def start(status: str, *more: Any) -> Any:
            self._room.learn(self._inside, was_refused=status.startswith("503"))
            return start_response(status, *more)

        return start

    def _note(self) -> None:
        self._refused += 1
        now = self._clock()
        if now >= self._quiet_until:
            fields = {"at_once": int(self._room.places), "refused": self._refused}
            log.warning("callbacks.crowded", extra={"fields": fields})
            self._refused, self._quiet_until = 0, now + _QUIET


def _refusal(later: int) -> "WSGIApplication":
    return problem(
        503,
        "more callbacks come than can be taken; nothing was acknowledged: send it again",
        headers={"Retry-After": str(later)},
    )
