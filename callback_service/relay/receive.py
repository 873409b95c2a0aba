"""A callback in: believed, durable, and the runs rung, before it is acknowledged."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from callback_service.domain.capability import opens, run_id_of
from callback_service.domain.errors import Unknown
from callback_service.domain.run import Run
from callback_service.domain.sink import is_quiet
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.groups import Groups, unbounded
from callback_service.relay.ports import Bound, Clock, Runs, Tasks
from callback_service.relay.quiet import check_joins
from callback_service.relay.record import Recorder, Step

log = logging.getLogger(__name__)

# Seconds in which a callback is answered, from when it came in: the group before it takes its part
# of them. Whoever is refused shall know it within two, and a busy process takes some of these.
PATIENCE = 1.7


@dataclass(frozen=True, slots=True)
class Callback:
    """`{id, state}`, sent to the callback URL that `token` opens (PR #176)."""

    token: str
    task_id: str
    state: State


class Receiver:
    """Takes callbacks in groups: one look at the runs, one at the tasks, one write."""

    def __init__(
        self,
        runs: Runs,
        tasks: Tasks,
        recorder: Recorder,
        clock: Clock,
        bound: Bound = unbounded,
    ) -> None:
        self._runs = runs
        self._tasks = tasks
        self._recorder = recorder
        self._clock = clock
        self._groups: Groups[Callback] = Groups(self._receive_group, PATIENCE, bound)

    def receive(self, callback: Callback) -> None:
        """Return once the callback is durable.

        Raises `Unknown` for a token that opens no run, `Unavailable` where the
        store did not confirm.
        """
        self._groups.submit(callback)

    def _receive_group(self, group: Sequence[Callback]) -> list[Exception | None]:
        now = self._clock.now()
        runs = self._runs.outlines({run_id_of(callback.token) for callback in group})
        meant = [_run_meant(callback, runs, now) for callback in group]
        changes = self._recorder.record(
            [
                _step(callback, run, self._clock)
                for callback, run in zip(group, meant, strict=True)
                if run is not None
            ]
        )
        check_joins(self._runs, self._tasks, changes)
        return [_log_and_answer(*pair) for pair in zip(group, meant, strict=True)]


def _run_meant(callback: Callback, runs: Mapping[str, Run], now: datetime) -> Run | None:
    run = runs.get(run_id_of(callback.token))
    if run is None or not run.is_open(now) or not opens(run.tokens, callback.token, now):
        return None
    return run


def _step(callback: Callback, run: Run, clock: Clock) -> Step:
    key = TaskKey(run.owner, run.server, callback.task_id)

    def decide(task: Task) -> Task:
        # As late as can be, and anew in each round: who reads by these stamps waits only so long
        # for what was stamped to become visible.
        now = clock.now()
        # The token's run joins first: so a callback may come before its registration.
        joined = task.join(run.id, now, quiet=is_quiet(run.sink))
        return joined.hear(callback.state, Source.CALLBACK, now)

    return Step(key, decide)


def _log_and_answer(callback: Callback, run: Run | None) -> Exception | None:
    fields = {"task": callback.task_id, "state": str(callback.state)}
    if run is None:
        log.warning("callback.refused", extra={"fields": fields})
        return Unknown("no run has this callback URL; it may have ended or been rotated")
    log.info("callback.received", extra={"fields": {"run": run.id, **fields}})
    return None
