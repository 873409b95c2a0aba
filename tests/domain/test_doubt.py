"""What servers say for a moment and take back is not believed in that moment."""

from datetime import timedelta

import pytest

from callback_service.domain.doubt import SETTLING, STARTING, is_doubtful
from callback_service.domain.states import FINAL, Source, State
from callback_service.domain.task import Task, TaskKey
from tests.fakes.clock import START

KEY = TaskKey("me", "tesk", "task-1")
A_MOMENT = timedelta(milliseconds=1)


def told(state: State, source: Source = Source.CALLBACK) -> Task:
    return Task(KEY).hear(state, source, START)


@pytest.mark.parametrize("end", sorted(FINAL))
def test_an_end_that_was_just_told_is_not_taken_back(end):
    assert is_doubtful(told(end), State.RUNNING, START + SETTLING - A_MOMENT)
    assert not is_doubtful(told(end), State.RUNNING, START + SETTLING)


def test_but_it_is_corrected_by_another_end_and_confirmed_at_once():
    task = told(State.COMPLETE)
    assert not is_doubtful(task, State.EXECUTOR_ERROR, START)
    assert not is_doubtful(task, State.COMPLETE, START)


def test_what_the_server_said_itself_it_may_take_back():
    assert not is_doubtful(told(State.COMPLETE, Source.POLL), State.RUNNING, START)


@pytest.mark.parametrize("state", [State.QUEUED, State.INITIALIZING, State.RUNNING])
def test_a_task_that_has_hardly_begun_has_not_failed_for_the_systems_sake(state):
    task = told(state)
    assert is_doubtful(task, State.SYSTEM_ERROR, START + STARTING - A_MOMENT)
    assert not is_doubtful(task, State.SYSTEM_ERROR, START + STARTING)
    assert not is_doubtful(task, State.EXECUTOR_ERROR, START)


def test_that_holds_for_tasks_of_which_nothing_was_told_too():
    assert is_doubtful(Task(KEY), State.SYSTEM_ERROR, START)
    joined = Task(KEY).join("r1", START)
    assert is_doubtful(joined, State.SYSTEM_ERROR, START)
    assert not is_doubtful(joined, State.SYSTEM_ERROR, START + STARTING)


def test_a_task_that_only_ever_was_in_error_is_believed_when_it_was_heard_of_for_long_enough():
    heard = Task(KEY).hear(State.UNKNOWN, Source.GATEWAY, START)
    assert is_doubtful(heard, State.SYSTEM_ERROR, START + STARTING - A_MOMENT)
    assert not is_doubtful(heard, State.SYSTEM_ERROR, START + STARTING)
