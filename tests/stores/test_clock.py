"""All processes go by the time that the database says, whatever their own clocks say."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from callback_service.adapters.mongo.clock import ASKED_EVERY, MongoClock
from callback_service.adapters.mongo.connection import Connection
from callback_service.domain.errors import Unavailable
from tests.fakes.clock import START

HOUR = timedelta(hours=1)


class FakeConnection:
    """Says what time it is after a while; `passed` is on the clock that nobody sets."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead
        self.passed = 1000.0
        self.thinks, self.answers = 0.0, 0.0
        self.asked = 0
        self.is_away = self.is_silent = False

    def true_time(self) -> datetime:
        return START + self.ahead + timedelta(seconds=self.passed)

    def time(self) -> datetime | None:
        self.asked += 1
        if self.is_away:
            raise Unavailable("away")
        self.passed += self.thinks
        said = self.true_time()
        self.passed += self.answers
        return None if self.is_silent else said


@pytest.fixture
def connection() -> FakeConnection:
    return FakeConnection()


@pytest.fixture
def clock(connection: FakeConnection) -> MongoClock:
    return a_clock(connection)


def a_clock(
    connection: FakeConnection,
    beside: Callable[[Callable[[], None]], None] = lambda work: work(),
) -> MongoClock:
    return MongoClock(connection, passed=lambda: connection.passed, beside=beside)  # type: ignore[arg-type]


def error(clock: MongoClock, connection: FakeConnection) -> float:
    return abs((clock.now() - connection.true_time()).total_seconds())


def test_it_says_what_the_database_says(clock, connection):
    assert error(clock, connection) < 0.002


def test_it_goes_on_by_itself_and_asks_once_in_a_while(clock, connection):
    clock.now()
    for _ in range(8):
        connection.passed += ASKED_EVERY / 10
        assert error(clock, connection) < 0.002
    assert connection.asked == 1
    connection.passed += ASKED_EVERY
    clock.now()
    assert connection.asked == 2


def test_nobody_who_does_not_look_has_it_asked(clock, connection):
    clock.now()
    connection.passed += 100 * ASKED_EVERY
    clock.now()
    assert connection.asked == 2


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_it_follows_a_database_whose_clock_was_set(clock, connection, jump):
    clock.now()
    connection.ahead = jump
    connection.passed += ASKED_EVERY
    assert error(clock, connection) < 0.002


def test_while_the_database_is_away_it_goes_on(clock, connection):
    clock.now()
    connection.is_away = True
    connection.passed += 100 * ASKED_EVERY
    assert error(clock, connection) < 0.002


@pytest.mark.parametrize(("thinks", "answers"), [(3.0, 0.0), (0.0, 3.0), (1.5, 1.5)])
def test_an_answer_that_took_long_changes_no_more_than_is_certain(connection, thinks, answers):
    clock = a_clock(connection, lambda _: None)
    clock.ask()
    connection.thinks, connection.answers = thinks, answers
    clock.ask()
    assert error(clock, connection) < 0.002


def test_a_database_that_does_not_say_leaves_this_machines_clock_as_it_was_at_the_start():
    connection = FakeConnection()
    connection.is_silent = True
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    clock = a_clock(connection)
    after = datetime.now(UTC)
    assert before <= clock.now() <= after
    connection.passed += 10
    assert before <= clock.now() - timedelta(seconds=10) <= after


def test_nobody_waits_for_the_answer():
    connection, questions = FakeConnection(ahead=HOUR), []
    clock = a_clock(connection, questions.append)
    early = clock.now()
    connection.passed += 1
    assert clock.now() == early + timedelta(seconds=1)
    for question in questions:
        question()
    assert error(clock, connection) < 0.002


@pytest.mark.services
def test_the_database_says_what_time_it_is(mongo_connection: Connection):
    clock = MongoClock(mongo_connection)
    clock.ask()
    assert abs(datetime.now(UTC) - clock.now()) < timedelta(seconds=2)
    assert clock.now().microsecond % 1000 == 0
    assert clock.now().tzinfo is UTC
