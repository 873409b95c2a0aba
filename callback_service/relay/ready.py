"""Whether callbacks can be taken."""

import threading
import time
from collections.abc import Callable, Mapping

from callback_service.domain.errors import Unavailable


class Remembered:
    """A check whose answer is good for some seconds: anybody may ask, and asking costs something.

    Who comes while it is being asked waits for that answer.
    """

    def __init__(
        self,
        check: Callable[[], None],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check = check
        self._seconds = seconds
        self._clock = clock
        self._asking = threading.Lock()
        self._good_until: float | None = None
        self._failure: Unavailable | None = None

    def __call__(self) -> None:
        with self._asking:
            if self._good_until is None or self._clock() >= self._good_until:
                self._failure = self._ask()
                self._good_until = self._clock() + self._seconds
            failure = self._failure
        if failure is not None:
            # One of its own for each caller: a raised error grows by every stack it passes.
            raise Unavailable(str(failure)) from failure.__cause__

    def _ask(self) -> Unavailable | None:
        try:
            self._check()
        except Unavailable as error:
            return error
        return None


class Readiness:
    """Asks what the service needs, and what it would only miss.

    A check returns, or raises `Unavailable` saying what is wrong.
    """

    def __init__(
        self, needed: Mapping[str, Callable[[], object]], missed: Mapping[str, Callable[[], object]]
    ) -> None:
        self._needed = needed
        self._missed = missed
        self._has_stopped = False

    def stop(self) -> None:
        """Say from now on that this process is not to be sent anything more."""
        self._has_stopped = True

    def checks(self) -> dict[str, str]:
        """What each says, by name. Raises `Unavailable` where a needed one fails, or at a stop."""
        if self._has_stopped:
            raise Unavailable("this process is stopping")
        for check in self._needed.values():
            check()
        answers = dict.fromkeys(self._needed, "ok")
        for name, check in self._missed.items():
            try:
                check()
                answers[name] = "ok"
            except Unavailable as error:
                answers[name] = str(error)
        return answers
