"""What was seen at a TES server becomes updates, unless a callback came before the answer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from callback_service.domain.doubt import is_doubtful
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Change, Clock
from callback_service.relay.record import Recorder, Step


@dataclass(frozen=True, slots=True)
class Sighting:
    """The state of a task as its server said it; None: it knows no such task.

    `seq` is what was known before the server was asked: if the task has moved since, by a
    callback that was faster, the answer is older than what is known and says nothing.
    `asked_at` is from before the question: a slow answer is as old as that.
    """

    key: TaskKey
    state: State | None
    seq: int
    asked_at: datetime
    source: Source = Source.POLL


class Observer:
    """Makes sightings durable; who follows the tasks is rung."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock

    def observe(self, sightings: Iterable[Sighting]) -> list[Change]:
        """Return what was saved. Raises `Unavailable` where the store did not confirm."""
        return self._recorder.record(self.steps(sightings))

    def steps(self, sightings: Iterable[Sighting]) -> Sequence[Step]:
        """The same, for whoever has more to record about the tasks in one write."""
        return [Step(sighting.key, _decision(sighting, self._clock)) for sighting in sightings]


def _decision(sighting: Sighting, clock: Clock) -> Callable[[Task], Task]:
    def decide(task: Task) -> Task:
        return _believed(task, sighting, clock.now()) if task.seq == sighting.seq else task

    return decide


def _believed(task: Task, sighting: Sighting, now: datetime) -> Task:
    if sighting.state is None:
        return task.miss(now)
    if is_doubtful(task, sighting.state, sighting.asked_at):
        # When it was first heard of is put down: else it would be new for ever, and doubted.
        return task if task.heard_at else task.hear(State.UNKNOWN, sighting.source, now)
    return task.hear(sighting.state, sighting.source, now, sighting.asked_at)
