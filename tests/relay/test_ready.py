import pytest

from callback_service.domain.errors import Unavailable
from callback_service.relay.ready import Readiness


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
