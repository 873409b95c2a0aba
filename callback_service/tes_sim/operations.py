"""Which operation of TES a request asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Operation:
    """`name` is its operationId in the specification; empty where it is none of TES."""

    name: str = ""
    task_id: str = ""


def operation_of(method: str, path: str, prefixes: Sequence[str]) -> Operation:
    for prefix in prefixes:
        if path.startswith(f"{prefix}/"):
            found = _below(method, path.removeprefix(prefix))
            if found.name:
                return found
    return Operation()


def _below(method: str, path: str) -> Operation:
    if path == "/tasks":
        return Operation({"GET": "ListTasks", "POST": "CreateTask"}.get(method, ""))
    if path == "/service-info":
        return Operation("GetServiceInfo" if method == "GET" else "")
    folder, _, task_id = path.rpartition("/")
    if folder != "/tasks" or not task_id:
        return Operation()
    task_id = unquote(task_id)
    if method == "POST" and task_id.endswith(":cancel"):
        return Operation("CancelTask", task_id.removesuffix(":cancel"))
    return Operation("GetTask" if method == "GET" else "", task_id)
