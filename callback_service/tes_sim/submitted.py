"""What a submitted task may hold, as TES 1.1.0 and 1.0.0 say, and what else makes a server refuse.

https://github.com/ga4gh/task-execution-schemas
"""

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from types import NoneType
from typing import Any

from callback_service.tes_sim.reply import Refused

Fields = Mapping[str, AbstractSet[str]]

_LISTS = ("executors", "inputs", "outputs")
_AMOUNTS = ("cpu_cores", "ram_gb", "disk_gb")
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("name", "description", "callback_url"), str),
    **dict.fromkeys(("tags", "resources"), dict),
    **dict.fromkeys((*_LISTS, "volumes"), list),
}

TES_1_1: Fields = {
    "": {
        *("id", "state", "name", "description", "inputs", "outputs", "resources", "executors"),
        *("volumes", "tags", "logs", "creation_time"),
    },
    "executors": {
        *("image", "command", "workdir", "stdin", "stdout", "stderr", "env", "ignore_error"),
    },
    "inputs": {"name", "description", "url", "path", "type", "content", "streamable"},
    "outputs": {"name", "description", "url", "path", "path_prefix", "type"},
    "resources": {
        *("cpu_cores", "preemptible", "ram_gb", "disk_gb", "zones"),
        *("backend_parameters", "backend_parameters_strict"),
    },
}
_NEW_IN_1_1 = {
    *("ignore_error", "streamable", "path_prefix"),
    *("backend_parameters", "backend_parameters_strict"),
}
TES_1_0: Fields = {part: names - _NEW_IN_1_1 for part, names in TES_1_1.items()}
READ_ONLY = {"id", "state", "logs", "creation_time"}


def read_task(body: bytes | None, fields: Fields) -> dict[str, Any]:
    """The task, or `Refused` with why it is none."""
    try:
        task = json.loads(body or b"")
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(task, dict):
        raise Refused(400, "the body is not a JSON object")
    _check_types(task)
    for part, value in _parts(task):
        for name in value.keys() - fields[part]:
            where = f"{part}." if part else ""
            raise Refused(400, f'unknown field "{where}{name}"')
    return task


def _parts(task: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "", task
    for part in _LISTS:
        for value in task.get(part) or []:
            yield part, value
    yield "resources", task.get("resources") or {}


def _check_types(task: dict[str, Any]) -> None:
    for name, kind in _KINDS.items():
        if not isinstance(task.get(name), (kind, NoneType)):
            raise Refused(400, f"{name}: not a {kind.__name__}")
    for part in _LISTS:
        if not all(isinstance(one, dict) for one in task.get(part) or []):
            raise Refused(400, f"{part}: not a list of objects")
    if not all(isinstance(value, str) for value in (task.get("tags") or {}).values()):
        raise Refused(400, "tags: not all values are strings")
    for name in _AMOUNTS:
        if not isinstance((task.get("resources") or {}).get(name), (int, float, NoneType)):
            raise Refused(400, f"resources.{name}: not a number")
    _check_executors(task.get("executors") or [])


def _check_executors(executors: list[dict[str, Any]]) -> None:
    if not executors:
        raise Refused(400, "executors: at least one is required")
    for executor in executors:
        command = executor.get("command")
        if not command or not isinstance(command, list):
            raise Refused(400, "executors.command: required")
        if not all(isinstance(word, str) for word in command):
            raise Refused(400, "executors.command: not all words are strings")
        if not executor.get("image"):
            raise Refused(400, "executors.image: required")
