"""The route `POST /callbacks/{token}`, generated from the contract of those who call it.

`callbacks.statusChange` in the TES specification says what a TES server sends and
what it is answered. The listener is that operation, put behind a path: change the
specification, and what is validated and answered changes with it.
"""

from collections.abc import Mapping
from typing import Any

PATH = "/callbacks/{token}"
TAG = "Callbacks"

_TOKEN = {
    "name": "token",
    "in": "path",
    "required": True,
    "description": "The last part of the callback URL that registering a run returned. "
    "Whoever has it may tell of that run's tasks, and nothing else.",
    "schema": {"type": "string", "maxLength": 256},
}
_CONTROLLER = {
    "operationId": "receive_callback",
    "x-openapi-router-controller": "callback_service.entrypoints.api.callbacks",
    "tags": [TAG],
    "parameters": [_TOKEN],
    "security": [],
}


class NoCallback(ValueError):
    """The TES specification has no `callbacks.statusChange` on `POST /tasks`."""


def listener_paths(tes: Mapping[str, Any]) -> dict[str, Any]:
    """The path item of the listener, with everything it refers to written out."""
    try:
        expressions = tes["paths"]["/tasks"]["post"]["callbacks"]["statusChange"]
        (item,) = expressions.values()
        operation = item["post"]
    except (KeyError, ValueError):
        raise NoCallback("POST /tasks must have the one callback `statusChange`") from None
    return {PATH: {"post": {**_written_out(operation, tes), **_CONTROLLER}}}


def _written_out(node: Any, document: Mapping[str, Any]) -> Any:
    """A copy of a node with its local references replaced by what they refer to."""
    if isinstance(node, Mapping):
        if "$ref" in node:
            return _written_out(_resolve(node["$ref"], document), document)
        return {key: _written_out(value, document) for key, value in node.items()}
    if isinstance(node, list):
        return [_written_out(value, document) for value in node]
    return node


def _resolve(reference: str, document: Mapping[str, Any]) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node
