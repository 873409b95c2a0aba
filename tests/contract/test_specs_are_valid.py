from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, validate
from openapi_spec_validator.readers import read_from_filename

SPECS = sorted((Path(__file__).parents[2] / "api" / "specs").glob("*.yaml"))
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

every_spec = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)


def read(path: Path) -> Any:
    document, _ = read_from_filename(str(path))
    return document


def operations(paths: Any) -> Iterator[tuple[str, Any]]:
    """Yield every operation with a name for people, the callbacks' own ones included."""
    for path, item in paths.items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]
                for callback in item[method].get("callbacks", {}).values():
                    yield from operations(callback)


def test_there_are_specs() -> None:
    assert SPECS


@every_spec
def test_a_spec_is_valid_openapi_3_0(path: Path) -> None:
    validate(read(path), cls=OpenAPIV30SpecValidator)


@every_spec
def test_every_operation_has_an_id(path: Path) -> None:
    found = operations(read(path)["paths"])
    assert [name for name, operation in found if not operation.get("operationId")] == []


@every_spec
def test_no_two_operations_share_an_id(path: Path) -> None:
    ids = [operation.get("operationId") for _, operation in operations(read(path)["paths"])]
    assert len(ids) == len(set(ids))


@every_spec
def test_every_operation_says_who_may_use_it(path: Path) -> None:
    """An operation for everybody says so with `security: []`; a forgotten one says nothing."""
    found = operations(read(path)["paths"])
    assert [name for name, operation in found if "security" not in operation] == []
