"""`/v1/tasks`."""

from typing import Any

from callback_service.domain.states import State
from callback_service.domain.task import TaskKey
from callback_service.entrypoints.access import Role, caller, needs
from callback_service.entrypoints.api.services import services
from callback_service.entrypoints.api.shown import shown_states, shown_task


@needs(Role.READ)
def get_task(
    server: str, task_id: str, wait: float, *, often: bool, known: str | None = None
) -> dict[str, Any]:
    key = TaskKey(caller().owner, server, task_id)
    task = services().reader.task(key, State(known) if known else None, wait, often=often)
    return shown_task(task, task.runs)


@needs(Role.READ)
def list_states(body: dict[str, Any]) -> dict[str, Any]:
    servers = services().servers
    default = servers.resolve(None) if any("server" not in one for one in body["tasks"]) else ""
    keys = [TaskKey(caller().owner, one.get("server", default), one["id"]) for one in body["tasks"]]
    return shown_states(keys, services().reader.states(keys))
