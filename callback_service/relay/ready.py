"""Whether callbacks can be taken."""

from collections.abc import Callable, Mapping

from callback_service.domain.errors import Unavailable


class Readiness:
    """Asks what the service needs, and what it would only miss.

    A check returns, or raises `Unavailable` saying what is wrong.
    """

    def __init__(
        self, needed: Mapping[str, Callable[[], None]], missed: Mapping[str, Callable[[], None]]
    ) -> None:
        self._needed = needed
        self._missed = missed

    def checks(self) -> dict[str, str]:
        """What each says, by name. Raises `Unavailable` where a needed one fails."""
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
