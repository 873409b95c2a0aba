"""Which operation of TES a request asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from callback_service.tes_sim.reply import Refused


@dataclass(frozen=True, slots=True)
class Operation:
    """`name` is its operationId in the specification; empty where there is none."""

    name: str = ""
    task_id: str = ""


def operation_of(method: str, path: str, prefixes: Sequence[str]) -> Operation:
    """Or an operation without a name, for which `require` knows the reason."""
    for prefix in prefixes:
        if path.startswith(f"{prefix}/"):
            found = _below(method, path.removeprefix(prefix))
            if found.name:
                return found
    return Operation()


def require(operation: Operation, method: str, path: str) -> None:
    if not operation.name:
        raise Refused(404, f"{method} {path} is nothing that this server knows")


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
