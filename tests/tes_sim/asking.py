"""Asks a simulated server in process, at times of the test's own."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callback_service.domain.states import State
from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.faults import Faults
from callback_service.tes_sim.reply import Reply
from tests.fakes.clock import FakeClock
from tests.tes_sim.running import TES, new_core

LISTENER = "http://listener.example/callbacks/x"


def a_task(*commands: str, script: str | None = None, **fields: Any) -> dict[str, Any]:
    """Each command is an executor's; `script` is what becomes of it."""
    task = {
        "executors": [
            {"image": "alpine", "command": command.split()} for command in commands or ("true",)
        ],
        **fields,
    }
    if script:
        task["tags"] = {**task.get("tags", {}), "tes-sim": script}
    return task


@dataclass
class Asker:
    core: SimulatedServer
    clock: FakeClock = field(default_factory=FakeClock)
    authorization: str | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        below: str = TES,
        **query: str | int | list[str],
    ) -> Reply:
        pairs = [
            (name, str(one))
            for name, value in query.items()
            for one in (value if isinstance(value, list) else [value])
        ]
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self.core.answer(
            method, f"{below}{path}", pairs, data, self.authorization, now=self.now
        )

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def listed(self, **query: Any) -> Any:
        reply = self.ask("GET", "/tasks", **query)
        assert reply.status == 200, reply
        return reply.json()

    def submit(self, *commands: str, **fields: Any) -> str:
        reply = self.ask("POST", "/tasks", a_task(*commands, **fields))
        assert reply.status == 200, reply
        return str(reply.json()["id"])

    def get(self, task_id: str, view: str = "MINIMAL") -> Any:
        return self.ask("GET", f"/tasks/{task_id}", view=view).json()

    def state(self, task_id: str, after: float = 0.0) -> State:
        """What it is once so many more seconds went by."""
        self.clock.advance(after)
        return State(self.get(task_id)["state"])

    def cancel(self, task_id: str) -> int:
        return self.ask("POST", f"/tasks/{task_id}:cancel").status

    def fail(self, **faults: Any) -> None:
        self.core.set_faults(Faults.read(faults), self.now)

    def told(self, after: float) -> list[tuple[str, State]]:
        """The callbacks of so many more seconds, in their order."""
        self.clock.advance(after)
        return [(one.task_id, one.state) for one in self.core.callbacks_due(self.now)]

    def states_told(self, after: float = 3600.0) -> list[State]:
        return [state for _, state in self.told(after)]


def asker(profile: str = "strict", **options: Any) -> Asker:
    return Asker(new_core(profile, **options))
