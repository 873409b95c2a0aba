"""Tells where one OpenAPI document falls short of another that it should extend."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ABSENT = "<absent>"

# Where one item more means that less is accepted, or that a reader meets what it does not know.
CLOSED_LISTS = frozenset({"allOf", "enum", "required"})

# What a schema or parameter must not gain, and the value that says the same as leaving it out.
NARROWING: Mapping[str, object] = {
    "additionalProperties": True,
    "enum": ABSENT,
    "exclusiveMaximum": False,
    "exclusiveMinimum": False,
    "format": ABSENT,
    "maxItems": ABSENT,
    "maxLength": ABSENT,
    "maxProperties": ABSENT,
    "maximum": ABSENT,
    "minItems": 0,
    "minLength": 0,
    "minProperties": 0,
    "minimum": ABSENT,
    "multipleOf": ABSENT,
    "pattern": ABSENT,
    "readOnly": False,
    "required": False,
    "type": ABSENT,
    "uniqueItems": False,
    "writeOnly": False,
}


@dataclass(frozen=True)
class Difference:
    path: str
    expected: object
    found: object

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected!r}, found {self.found!r}"


def differences(expected: Any, found: Any, path: str = "") -> Iterator[Difference]:
    """Yield what `found` lacks or changes of `expected`, and where it accepts less."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        yield from _lost(expected, found, path)
        yield from _narrowed(expected, found, path)
    elif isinstance(expected, list) and isinstance(found, list):
        yield from _lost(labelled(expected), labelled(found), path)
        yield from _demanded(labelled(expected), labelled(found), path)
    elif expected != found:
        yield Difference(path, expected, found)


def labelled(items: list[Any]) -> dict[str, Any]:
    """Name list items by what they are, since their order means nothing."""
    return {_label(item, index): item for index, item in enumerate(items)}


def with_refs(node: Any, refs: Mapping[str, str]) -> Any:
    """Point references elsewhere: those that are keys of `refs` at their values."""
    if isinstance(node, Mapping):
        return {
            key: refs.get(value, value) if key == "$ref" else with_refs(value, refs)
            for key, value in node.items()
        }
    return [with_refs(item, refs) for item in node] if isinstance(node, list) else node


def below(path: str, key: str) -> str:
    return f"{path} > {key}" if path else key


def _label(item: Any, index: int) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    if "name" in item:
        return f"{item['name']} ({item['in']})"
    return str(item.get("$ref") or item.get("url") or index)


def _lost(expected: Mapping[str, Any], found: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for key, value in expected.items():
        yield from differences(value, found.get(key, ABSENT), below(path, key))


def _narrowed(
    expected: Mapping[str, Any], found: Mapping[str, Any], path: str
) -> Iterator[Difference]:
    # Among properties these words are names, and one property more narrows nothing.
    if path.endswith("properties"):
        return
    for key in sorted(NARROWING.keys() & (found.keys() - expected.keys())):
        if found[key] != NARROWING[key]:
            yield Difference(below(path, key), ABSENT, found[key])


def _demanded(
    expected: Mapping[str, Any], found: Mapping[str, Any], path: str
) -> Iterator[Difference]:
    closed = path.rpartition(" > ")[2] in CLOSED_LISTS
    for key in sorted(found.keys() - expected.keys()):
        item = found[key]
        if closed or (isinstance(item, Mapping) and item.get("required") is True):
            yield Difference(below(path, key), ABSENT, item)
