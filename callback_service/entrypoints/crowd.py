"""How many callbacks are let in at once; who comes to a crowd is sent away at little cost.

Beyond what a process can do, each callback that is let in makes all others later, until their
senders give up and send again what was acknowledged too late: the more come, the fewer get through.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from callback_service.entrypoints.api.problems import problem

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

log = logging.getLogger(__name__)

_CALLBACKS = "/callbacks/"
# Seconds after which to come again.
_LATER = "1"
# Seconds between two lines in the log.
_QUIET = 1.0


class Crowd:
    """WSGI middleware; all but callbacks goes through it as it is.

    An answer that is returned is complete: callbacks have none that is streamed.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        at_once: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
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
            return _refusal()(environ, start_response)
        # No lock: greenlets take turns only where they wait.
        self._inside += 1
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


def _refusal() -> "WSGIApplication":
    return problem(
        503,
        "more callbacks come than can be taken; nothing was acknowledged: send it again",
        headers={"Retry-After": _LATER},
    )
