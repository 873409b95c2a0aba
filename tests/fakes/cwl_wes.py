from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callback_service.domain.delivery import Answer, Item
from callback_service.domain.run import Run
from callback_service.domain.sink import CwlWesSink, Sink
from callback_service.domain.states import State

FINISHED = {"COMPLETE", "CANCELED", "EXECUTOR_ERROR", "SYSTEM_ERROR", "PREEMPTED"}


@dataclass
class FakeWesRun:
    """A run of cwl-WES in memory; everybody writes it one after the other."""

    run_id: str = "A1B2C3"
    told: dict[Any, int] = field(default_factory=dict)
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


@dataclass
class FakeCwlWesSender:
    """Writes to the runs of its targets."""

    targets: dict[str, list[FakeWesRun]] = field(default_factory=dict)
    is_down: bool = False

    async def send(
        self, run: Run, sink: Sink, webhook_id: str, items: Sequence[Item], at: datetime
    ) -> Answer:
        assert isinstance(sink, CwlWesSink)
        if self.is_down or sink.target not in self.targets:
            return Answer(error=f"{sink.target} is not there")
        named = {one.run_id: one for one in self.targets[sink.target] if one.state()}
        wes_run = named.get(sink.wes_run_id)
        if wes_run is None:
            return Answer(status=410, error=f"cwl-WES has no run {sink.wes_run_id}")
        if wes_run.state() in FINISHED:
            ended = f"the run {sink.wes_run_id} has ended at cwl-WES: {wes_run.state()}"
            return Answer(status=410, error=ended)
        for item in items:
            wes_run.hear(item)
        return Answer(status=204)
