from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callback_service.domain.delivery import Answer, Item
from callback_service.domain.errors import WesUnreadable
from callback_service.domain.run import Failing, Run
from callback_service.domain.sink import CwlWesSink, Sink
from callback_service.domain.states import State
from callback_service.domain.stuck import WesRun

FINISHED = {"COMPLETE", "CANCELED", "EXECUTOR_ERROR", "SYSTEM_ERROR", "PREEMPTED"}


@dataclass
class FakeWesRun:
    """A run of cwl-WES in memory; everybody writes it one after the other."""

    run_id: str = "A1B2C3"
    told: dict[Any, int] = field(default_factory=dict)
    failed_by: str | None = None
    task_finished: bool = False
    _state: str | None = None
    _logs: list[dict[str, Any]] = field(default_factory=list)

    def create(self, state: str = "UNKNOWN") -> None:
        self._state = state

    def start(self) -> None:
        self._state = "RUNNING"

    def be(self, state: str) -> None:
        self._state = state

    def push(self, log: dict[str, Any]) -> None:
        self._logs.append(log)

    def set_state(self, task_id: str, state: str) -> None:
        for log in self.logs_of(task_id)[:1]:
            log["state"] = state

    def complete(self, *logs: dict[str, Any]) -> None:
        self._logs = list(logs)
        self._state = "COMPLETE"

    def state(self) -> str | None:
        return self._state

    def logs(self) -> list[dict[str, Any]]:
        return self._logs

    def logs_of(self, task_id: str) -> list[dict[str, Any]]:
        return [log for log in self._logs if log.get("id") == task_id]

    def states(self) -> dict[str, str]:
        return {log["id"]: log["state"] for log in self._logs if log}

    def hear(self, item: Item) -> None:
        key, update, previous = item
        if self.told.get(key, 0) > update.seq:
            return
        self.told[key] = update.seq
        if self._state in {"QUEUED", "INITIALIZING"}:
            self._state = "RUNNING"
        logs = self.logs_of(key.task_id)
        if not logs:
            self._logs.append({"id": key.task_id, "state": str(update.state)})
        for log in logs:
            may_move = update.state.is_final or previous.is_final
            if may_move or not State(log["state"]).is_final:
                log["state"] = str(update.state)
        whole = [log for log in logs if "executors" in log]
        if whole and len({log["state"] for log in logs}) == 1:
            self._logs = [log for log in self._logs if log not in logs or log in whole]

    def fail(self, webhook_id: str) -> bool:
        """Whether it has failed by this message, now or before."""
        if self._state in FINISHED:
            return self._state == "SYSTEM_ERROR" and self.failed_by == webhook_id
        self._state, self.failed_by = "SYSTEM_ERROR", webhook_id
        return True

    def begin_to_complete(self) -> None:
        self.task_finished = True

    def standing(self) -> WesRun:
        logs = [log for log in self._logs if log]
        return WesRun(
            str(self._state),
            self._state in FINISHED,
            sum(not State(log["state"]).is_final for log in logs),
            self.task_finished,
        )


@dataclass
class FakeCwlWesSender:
    """Writes to the runs of its targets."""

    targets: dict[str, list[FakeWesRun]] = field(default_factory=dict)
    is_down: bool = False

    async def send(
        self, run: Run, sink: Sink, webhook_id: str, items: Sequence[Item], at: datetime
    ) -> Answer:
        wes_run = self._find(sink)
        if isinstance(wes_run, Answer):
            return wes_run
        if wes_run.state() in FINISHED:
            return _ended(wes_run)
        for item in items:
            wes_run.hear(item)
        return Answer(status=204)

    async def fail(
        self, run: Run, sink: Sink, webhook_id: str, failing: Failing, at: datetime
    ) -> Answer:
        wes_run = self._find(sink)
        if isinstance(wes_run, Answer):
            return wes_run
        return Answer(status=204) if wes_run.fail(webhook_id) else _ended(wes_run)

    def _find(self, sink: Sink) -> FakeWesRun | Answer:
        assert isinstance(sink, CwlWesSink)
        if self.is_down or sink.target not in self.targets:
            return Answer(error=f"{sink.target} is not there")
        named = {one.run_id: one for one in self.targets[sink.target] if one.state()}
        missing = Answer(status=410, error=f"cwl-WES has no run {sink.wes_run_id}")
        return named.get(sink.wes_run_id, missing)


def _ended(wes_run: FakeWesRun) -> Answer:
    ended = f"the run {wes_run.run_id} has ended at cwl-WES: {wes_run.state()}"
    return Answer(status=410, error=ended)


@dataclass
class FakeWesRuns:
    """Looks at the runs of its targets."""

    targets: dict[str, list[FakeWesRun]] = field(default_factory=dict)
    is_down: bool = False

    def look(self, target: str, wes_run_ids: Collection[str]) -> dict[str, WesRun]:
        if self.is_down or target not in self.targets:
            raise WesUnreadable(f"{target} is not there")
        return {
            one.run_id: one.standing()
            for one in self.targets[target]
            if one.state() and one.run_id in wes_run_ids
        }
