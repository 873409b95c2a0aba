"""Answers that servers give for a moment and take back: who asks again soon learns the truth."""

from datetime import datetime, timedelta

from callback_service.domain.states import State
from callback_service.domain.task import Task

# TESK's sender tells of an end while the pod that it runs in is still there, and for so long TESK
# itself calls the task RUNNING.
SETTLING = timedelta(seconds=5)
# TESK calls a task SYSTEM_ERROR that has no pod, which no task has at first.
STARTING = timedelta(seconds=5)


def is_doubtful(task: Task, state: State, asked_at: datetime) -> bool:
    """Whether the server's answer is to be heard once more before it is believed."""
    return _takes_back_an_end(task, state, asked_at) or _has_hardly_begun(task, state, asked_at)


def _takes_back_an_end(task: Task, state: State, asked_at: datetime) -> bool:
    was_told = task.state.is_final and task.confirmed_at is None
    return was_told and not state.is_final and _is_within(asked_at, task.updated_at, SETTLING)


def _has_hardly_begun(task: Task, state: State, asked_at: datetime) -> bool:
    # Of a task that only ever was SYSTEM_ERROR nothing is known but when it was heard of.
    began_at = task.history[0].at if task.history else task.updated_at or task.heard_at
    is_new = began_at is None or _is_within(asked_at, began_at, STARTING)
    return state is State.SYSTEM_ERROR and not task.state.is_final and is_new


def _is_within(at: datetime, since: datetime | None, span: timedelta) -> bool:
    return since is not None and at - since < span
