"""What must hold everywhere in the code."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import callback_service
from callback_service.domain.errors import ServiceError
from callback_service.domain.states import State
from callback_service.entrypoints.api.problems import STATUS
from tests.api.contract import OPERATIONS, SERVICE, TES

TOP = Path(__file__).parents[2]
# They begin to run, or to patch the process, when they are imported.
PROGRAMS = {f"callback_service.{name}" for name in ("__main__", "serve", "worker")}
# Names that say nothing of what is inside.
EMPTY_WORDS = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(callback_service.__path__, "callback_service.")
    if name not in PROGRAMS
]


def subclasses(kind: type[ServiceError]) -> set[type[ServiceError]]:
    found = set(kind.__subclasses__())
    return found.union(*map(subclasses, found))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_has_its_controller(operation) -> None:
    controller = getattr(importlib.import_module(operation.controller), operation.id)
    assert callable(controller)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_says_who_may_call_it(operation) -> None:
    # What some TES servers ask of everybody, others ask of nobody: it is said for each server.
    bearer, nothing = {"bearer": []}, {}
    known = ([], [bearer, nothing]) if operation.is_tes else ([], [bearer])
    assert list(operation.security) in known


def test_every_error_has_a_status() -> None:
    for name in MODULES:
        importlib.import_module(name)
    assert subclasses(ServiceError) == STATUS.keys()
    assert all(400 <= status < 600 for status in STATUS.values())


@pytest.mark.parametrize(
    ("document", "schema"),
    [(SERVICE, "State"), (TES, "tesState"), (TES, "tesCallbackState")],
    ids=["State", "tesState", "tesCallbackState"],
)
def test_the_states_of_the_contract_are_the_domains(document, schema: str) -> None:
    assert document["components"]["schemas"][schema]["enum"] == list(State)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_named_after_what_is_in_it(name: str) -> None:
    assert not EMPTY_WORDS & set(name.rpartition(".")[2].split("_"))


def test_no_test_patches_our_own_code() -> None:
    """A fake is handed in, or the real thing is used: what is patched is not tested."""
    for path in sorted((TOP / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "name")]
            module = getattr(node, "module", None) or ""
            assert "mock" not in {*names, *module.split(".")}, path
