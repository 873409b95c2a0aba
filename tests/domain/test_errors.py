"""The cause of an error is for the log: short, and without what must not stand there."""

import pytest

from callback_service.domain.errors import Unavailable


def caused_by(cause: Exception) -> Unavailable:
    error = Unavailable("try again")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Authentication failed., full error: {'ok': 0.0}", "Authentication failed."),
        ('not authorized on db to execute command { insert: "runs", documents: [1] }',
         "not authorized on db to execute command"),
        ("127.0.0.1:1: [Errno 111] Connection refused (configured timeouts: 2000ms)",
         "127.0.0.1:1: [Errno 111] Connection refused"),
        ("amqp://user:secret@host:5672// is away", "amqp://host:5672// is away"),
        ("x" * 1000, "x" * 200),
    ],
)  # fmt: skip
def test_the_cause_is_its_kind_and_what_it_said_up_to_the_details(said: str, kept: str) -> None:
    assert caused_by(OSError(said)).cause == f"OSError: {kept}"


def test_a_cause_may_have_nothing_to_say() -> None:
    assert caused_by(TimeoutError()).cause == "TimeoutError"


def test_an_error_of_our_own_has_none() -> None:
    assert Unavailable("try again").cause is None
