"""Tasks as trees of JSON: what is left out for clients that break on it.

py-tes 0.4 dies on `"resources": null`, and both py-tes on fields that they do not know.
"""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

# What users put there is theirs: an empty tag is a tag.
_MAPS = frozenset({"tags", "env", "metadata", "backend_parameters"})

_TREES = (dict, list)
# TES has six of them. What is nested so deeply that Python could not follow it is left as it is.
_LEVELS = 100

# The fields of TES 1.0.0, each with those of the objects in it.
_Shape = Mapping[str, "_Shape | None"]


def _plain(*names: str) -> _Shape:
    return dict.fromkeys(names)


_FILE = _plain("name", "description", "url", "path", "type")
_EXECUTOR_LOG = _plain("start_time", "end_time", "stdout", "stderr", "exit_code")
_LOG: _Shape = {
    **_plain("metadata", "start_time", "end_time", "system_logs"),
    "logs": _EXECUTOR_LOG,
    "outputs": _plain("url", "path", "size_bytes"),
}
_TASK: _Shape = {
    **_plain("id", "state", "name", "description", "volumes", "tags", "creation_time"),
    "inputs": {**_FILE, "content": None},
    "outputs": _FILE,
    "resources": _plain("cpu_cores", "preemptible", "ram_gb", "disk_gb", "zones"),
    "executors": _plain("image", "command", "workdir", "stdin", "stdout", "stderr", "env"),
    "logs": _LOG,
}


def without_emptiness(value: Any, levels: int = _LEVELS) -> Any:
    """Without fields that are null, empty or false; never without a zero, or an item of a list.

    An empty word of a command is a word, and an exit code of 0 the best one.
    """
    if not levels:
        return value
    if isinstance(value, dict):
        return _without_empty_fields(value, levels - 1)
    if isinstance(value, list):
        return [
            without_emptiness(item, levels - 1) if isinstance(item, _TREES) else item
            for item in value
        ]
    return value


def _without_empty_fields(fields: Json, levels: int) -> Json:
    # Most of what servers answer goes through here, thousands of times for a list.
    kept = {}
    for name, value in fields.items():
        inner = value
        if isinstance(value, dict) and name in _MAPS:
            inner = _without_nulls(value)
        elif isinstance(value, _TREES):
            inner = without_emptiness(value, levels)
        if inner or _is_zero(inner):
            kept[name] = inner
    return kept


def _without_nulls(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _is_zero(value: Any) -> bool:
    # In Python, 0 equals False, and False is an integer.
    return value is not False and value == 0


def in_the_shape_of_1_0(task: Json) -> Json:
    """Without the fields that TES 1.0.0 does not have."""
    cut: Json = _cut(task, _TASK)
    return cut


def _cut(value: Any, shape: _Shape | None) -> Any:
    if shape is None:
        return value
    if isinstance(value, list):
        return [_cut(item, shape) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _cut(inner, shape[name]) for name, inner in value.items() if name in shape}
