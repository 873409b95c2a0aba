from datetime import UTC, datetime, timedelta

import pytest

from callback_service.domain.states import State
from callback_service.domain.stuck import Rest, WesRun

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENDED = {State.COMPLETE: 2, State.EXECUTOR_ERROR: 1}


def test_a_run_rests_whose_tasks_have_all_ended_some_time_ago():
    assert Rest(ENDED, 0, NOW - HOUR).is_quiet(NOW, HOUR)


@pytest.mark.parametrize(
    "rest",
    [
        Rest(ENDED, 0, NOW - HOUR + timedelta(milliseconds=1)),
        Rest(ENDED, 1, NOW - 2 * HOUR),
        Rest({**ENDED, State.UNKNOWN: 1}, 0, NOW - 2 * HOUR),
        Rest({State.RUNNING: 1}, 0, NOW - 2 * HOUR),
        Rest({}, 0, None),
        Rest({}, 0, NOW - 2 * HOUR),
    ],
)
def test_nothing_else_rests(rest):
    assert not rest.is_quiet(NOW, HOUR)


def test_what_goes_on_and_what_has_ended_is_counted():
    rest = Rest({**ENDED, State.RUNNING: 4, State.CANCELING: 1}, 0, NOW)
    assert (rest.open, rest.ended) == (5, 3)


def test_a_run_may_be_stuck_that_goes_on_with_no_task_that_does():
    assert WesRun("RUNNING", is_over=False).may_be_stuck
    assert not WesRun("RUNNING", is_over=False, open_tasks=1).may_be_stuck
    assert not WesRun("COMPLETE", is_over=True).may_be_stuck
