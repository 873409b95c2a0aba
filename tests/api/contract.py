"""Every operation of the two documents, the generated listener among them, and their answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft4Validator, FormatChecker

from callback_service.entrypoints.listener import listener_paths

SPECS = Path(__file__).parents[2] / "api" / "specs"
METHODS = ("get", "put", "post", "delete", "patch")

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_a_time(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    parameters: tuple[Mapping[str, Any], ...]
    responses: Mapping[str, Any]
    body: Mapping[str, Any] | None
    security: tuple[Mapping[str, Any], ...]
    is_tes: bool
    controller: str

    def names(self, place: str) -> list[str]:
        return [one["name"] for one in self.parameters if one["in"] == place]


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((SPECS / name).read_text(encoding="utf-8"))
    return document


def resolved(node: Any, document: Mapping[str, Any]) -> Any:
    while isinstance(node, Mapping) and "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    if isinstance(node, Mapping):
        return {key: resolved(value, document) for key, value in node.items()}
    return [resolved(one, document) for one in node] if isinstance(node, list) else node


def _operations(document: Mapping[str, Any], *, is_tes: bool) -> Iterator[Operation]:
    base = document["servers"][0]["url"].rstrip("/")
    for path, item in document["paths"].items():
        whole = resolved(item, document)
        for method in METHODS:
            if method not in whole:
                continue
            found = whole[method]
            content = found.get("requestBody", {}).get("content", {})
            yield Operation(
                id=found["operationId"],
                method=method.upper(),
                path=base + path,
                parameters=(*whole.get("parameters", ()), *found.get("parameters", ())),
                responses=found["responses"],
                body=content.get("application/json", {}).get("schema"),
                security=tuple(found["security"]),
                is_tes=is_tes,
                controller=found.get(
                    "x-openapi-router-controller", "callback_service.entrypoints.api.tes"
                ),
            )


SERVICE, TES = read("callback_service.openapi.yaml"), read("tes.openapi.yaml")
_LISTENER = {**SERVICE, "paths": listener_paths(TES)}

OPERATIONS: dict[str, Operation] = {
    operation.id: operation
    for operation in (
        *_operations(_LISTENER, is_tes=False),
        *_operations(SERVICE, is_tes=False),
        *_operations(TES, is_tes=True),
    )
}


def methods_of(path: str) -> set[str]:
    return {one.method for one in OPERATIONS.values() if one.path == path}


def check_answer(operation: str, response: Any) -> None:
    """The answer is one that the contract describes, and holds nothing besides."""
    described = OPERATIONS[operation].responses
    status = str(response.status_code)
    assert status in described or "default" in described, f"{operation} must not answer {status}"
    content = described.get(status, described.get("default")).get("content")
    if content is None:
        assert response.data == b""
        return
    assert response.mimetype in content
    schema = content[response.mimetype]["schema"]
    if response.mimetype.endswith("json"):
        validator = Draft4Validator(schema, format_checker=FORMATS)
        assert [error.message for error in validator.iter_errors(response.json)] == []
        assert list(undescribed(schema, response.json)) == []


def undescribed(schema: Mapping[str, Any], value: Any, place: str = "") -> Iterator[str]:
    """What is in a value, and not in its schema."""
    if isinstance(value, list):
        for item in value:
            yield from undescribed(schema["items"], item, f"{place}[]")
    if isinstance(value, Mapping):
        known = _properties(schema)
        if not known:
            return
        for name, inner in value.items():
            if name in known:
                yield from undescribed(known[name], inner, f"{place}.{name}")
            else:
                yield f"{place}.{name}"


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        found |= _properties(part)
    return found
