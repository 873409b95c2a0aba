import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from callback_service.domain.errors import Unavailable
from callback_service.relay.ready import Readiness, Remembered


def well() -> None: ...


def ill() -> None:
    raise Unavailable("it does not answer")


def test_everything_is_well():
    assert Readiness({"database": well}, {"broker": well}).checks() == {
        "database": "ok",
        "broker": "ok",
    }


def test_without_what_is_needed_callbacks_cannot_be_taken():
    with pytest.raises(Unavailable, match="does not answer"):
        Readiness({"database": ill}, {"broker": well}).checks()


def test_without_what_is_only_missed_they_can_and_it_is_said():
    """A failed broker never fails a callback: the sweeper rings."""
    assert Readiness({"database": well}, {"broker": ill}).checks() == {
        "database": "ok",
        "broker": "it does not answer",
    }


def test_what_is_only_missed_is_not_asked_where_what_is_needed_fails():
    asked = []
    with pytest.raises(Unavailable):
        Readiness({"database": ill}, {"broker": lambda: asked.append(1)}).checks()
    assert asked == []


class Asked:
    """A check that counts, and a clock that stands."""

    def __init__(self, check: Callable[[], None] = well) -> None:
        self.check, self.times, self.now = check, 0, 0.0
        self.remembered = Remembered(self._ask, 1.0, lambda: self.now)

    def _ask(self) -> None:
        self.times += 1
        self.check()


def test_an_answer_is_good_for_a_while():
    """Probes come without a token: each of them must not write into the database."""
    asked = Asked()
    for asked.now in (0.0, 0.5, 0.9):
        asked.remembered()
    assert asked.times == 1
    asked.now = 1.0
    asked.remembered()
    assert asked.times == 2


def test_a_failure_is_good_for_as_long():
    asked = Asked(ill)
    for _ in range(2):
        with pytest.raises(Unavailable, match="does not answer"):
            asked.remembered()
    assert asked.times == 1
    asked.check, asked.now = well, 1.0
    asked.remembered()


def test_who_comes_while_it_is_asked_gets_that_answer():
    is_over, is_asked = threading.Event(), threading.Event()

    def slow() -> None:
        is_asked.set()
        is_over.wait(10)

    asked = Asked(slow)
    with ThreadPoolExecutor(4) as probes:
        answers = [probes.submit(asked.remembered) for _ in range(4)]
        is_asked.wait(10)
        is_over.set()
        for answer in answers:
            answer.result(10)
    assert asked.times == 1


def test_who_stops_is_not_ready_whatever_works():
    asked = Asked()
    readiness = Readiness(needed={"database": asked.remembered}, missed={})
    assert readiness.checks() == {"database": "ok"}
    readiness.stop()
    with pytest.raises(Unavailable, match="stopping"):
        readiness.checks()
