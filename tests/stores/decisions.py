"""Decisions about tasks, and the round of loading and saving that makes them last."""

from collections.abc import Callable
from datetime import datetime, timedelta

from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Change, Tasks
from tests.fakes.clock import START

KEY = TaskKey("local", "tesk", "task/1 ü.$x")
OTHER = TaskKey("someone:else/with a slash", "tesk", "task-2")
# More than one statement takes.
MANY = [TaskKey("local", "tesk", f"task-{number:04}") for number in range(230)]

QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
CALLBACK, POLL = Source.CALLBACK, Source.POLL

Decision = Callable[[Task], Task]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def hear(state: State, seconds: float = 0, source: Source = CALLBACK) -> Decision:
    return lambda task: task.hear(state, source, at(seconds))


def join(run_id: str, seconds: float = 0, *, quiet: bool = False) -> Decision:
    return lambda task: task.join(run_id, at(seconds), quiet=quiet)


def load(tasks: Tasks, key: TaskKey = KEY) -> Task:
    return tasks.load([key])[key]


def decide(task: Task | None, *decisions: Decision, key: TaskKey = KEY) -> Change:
    after = task or Task(key)
    for decision in decisions:
        after = decision(after)
    return Change(task, after)


def record(tasks: Tasks, *decisions: Decision, key: TaskKey = KEY) -> Task:
    """Load, decide, save, until nobody was faster."""
    while True:
        change = decide(tasks.load([key]).get(key), *decisions, key=key)
        if not tasks.save([change]):
            return change.after


def miss(seconds: float) -> Decision:
    return lambda task: task.miss(at(seconds))


def accept(seconds: float) -> Decision:
    return lambda task: task.accept(at(seconds))


def tag() -> Decision:
    return Task.tag
