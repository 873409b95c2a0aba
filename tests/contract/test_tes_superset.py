"""Our TES document extends TES 1.1.0 and the callbacks of pull request 176, and loses nothing.

`data/` holds the published documents without their sentences.
"""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.structure import ABSENT, below, differences, labelled, with_refs

DATA = Path(__file__).parent / "data"
SPEC = Path(__file__).parents[2] / "api" / "specs" / "tes.openapi.yaml"

SERVICE_INFO = (
    "https://raw.githubusercontent.com/ga4gh-discovery/ga4gh-service-info/v1.0.0/"
    "service-info.yaml#/components/schemas/"
)
# The service works offline, so what is published elsewhere is kept in our document.
LOCAL_REFS = {
    f"{SERVICE_INFO}Service": "#/components/schemas/Service",
    f"{SERVICE_INFO}ServiceType": "#/components/schemas/ServiceType",
}
# `tesState` is read-only, and what is read-only must not be in a request body.
CALLBACK_REFS = {"#/components/schemas/tesState": "#/components/schemas/tesCallbackState"}
CALLBACK_URL = "{$request.body#/callback_url}"
# What the gateway asks and answers besides; nobody has to send or to read any of it.
ADDED_PARAMETERS = {
    ("/tasks", "post"): {"X-Run-Id (header)"},
    ("/tasks/{id}", "get"): {"#/components/parameters/prefer"},
}
ADDED_HEADERS = {
    ("/tasks", "post"): {"X-Callback-Registered"},
    ("/tasks/{id}", "get"): {"Preference-Applied"},
}
ADDED_RESPONSES = {"400", "401", "403", "404", "502", "503", "504", "default"}
ADDED_RESPONSES_WITH_BODY = {"413", "415"}
# The pull request says of an id that it is a string; we say which strings we take.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]+(?![\s\S])"
CALLBACK_ID = {"minLength": 1, "maxLength": 512, "pattern": PRINTABLE}


def structure(name: str) -> Any:
    return json.loads((DATA / f"{name}.structure.json").read_text())


def at(document: Any, *place: str) -> Any:
    for key in place:
        document = document.get(key, ABSENT) if isinstance(document, dict) else ABSENT
    return document


OURS = yaml.safe_load(SPEC.read_text())
TES = with_refs(structure("tes-1.1.0"), LOCAL_REFS)
CALLBACK = structure("tes-pr176-callback")

SCHEMAS = TES["components"]["schemas"]
PROPERTIES = [(name, prop) for name in SCHEMAS for prop in SCHEMAS[name].get("properties", {})]
OPERATIONS = [(path, method) for path in TES["paths"] for method in TES["paths"][path]]
PARAMETERS = [
    (path, method, parameter)
    for path, method in OPERATIONS
    for parameter in labelled(TES["paths"][path][method].get("parameters", []))
]
BODIES = [
    (path, method) for path, method in OPERATIONS if "requestBody" in TES["paths"][path][method]
]
RESPONSES = [
    (path, method, status)
    for path, method in OPERATIONS
    for status in TES["paths"][path][method]["responses"]
]


def assert_kept(published: Any, ours: Any, *place: str) -> None:
    path = ""
    for key in place:
        path = below(path, key)
    lost = list(differences(published, ours, path))
    assert not lost, "\n".join(["Not a superset:", *map(str, lost)])


def operation(document: Any, path: str, method: str) -> Any:
    return at(document, "paths", path, method)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_operation_keeps_its_id_and_its_tags(path: str, method: str) -> None:
    for key in ("operationId", "tags"):
        published = operation(TES, path, method)[key]
        assert_kept(published, at(operation(OURS, path, method), key), path, method, key)


@pytest.mark.parametrize(("path", "method", "parameter"), PARAMETERS)
def test_a_parameter_keeps_its_place_and_its_schema(path: str, method: str, parameter: str) -> None:
    published = labelled(operation(TES, path, method)["parameters"])
    ours = labelled(operation(OURS, path, method)["parameters"])
    assert_kept(published[parameter], at(ours, parameter), path, method, parameter)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_is_added_to_an_operation_is_what_the_gateway_needs(path: str, method: str) -> None:
    published, ours = operation(TES, path, method), operation(OURS, path, method)
    parameters = labelled(ours.get("parameters", [])).keys()
    added = parameters - labelled(published.get("parameters", [])).keys()
    assert added == ADDED_PARAMETERS.get((path, method), set())
    assert set(ours["responses"]["200"].get("headers", ())) == ADDED_HEADERS.get(
        (path, method), set()
    )
    with_body = ADDED_RESPONSES_WITH_BODY if "requestBody" in ours else set()
    assert ours["responses"].keys() - published["responses"].keys() == ADDED_RESPONSES | with_body


@pytest.mark.parametrize("added", ["prefer"])
def test_an_added_parameter_may_be_left_out(added: str) -> None:
    """Those that stand in an operation are compared: one that is required is a difference."""
    assert OURS["components"]["parameters"][added]["required"] is False


@pytest.mark.parametrize("name", OURS["components"]["responses"])
def test_every_error_of_the_gateway_is_a_problem(name: str) -> None:
    content = OURS["components"]["responses"][name]["content"]
    if name == "FromServer":
        assert content == {"*/*": {"schema": {}}}, "those are the server's own"
        return
    media = content["application/problem+json"]
    assert media["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert media["example"]["title"].replace(" ", "") == name


@pytest.mark.parametrize(("path", "method"), BODIES)
def test_a_request_body_keeps_its_schema(path: str, method: str) -> None:
    published = operation(TES, path, method)["requestBody"]
    ours = at(operation(OURS, path, method), "requestBody")
    assert_kept(published, ours, path, method, "requestBody")


@pytest.mark.parametrize(("path", "method", "status"), RESPONSES)
def test_a_response_keeps_its_schema(path: str, method: str, status: str) -> None:
    published = operation(TES, path, method)["responses"][status]
    ours = at(operation(OURS, path, method), "responses", status)
    assert_kept(published, ours, path, method, status)


@pytest.mark.parametrize("name", TES["components"]["parameters"])
def test_a_shared_parameter_keeps_its_schema(name: str) -> None:
    place = ("components", "parameters", name)
    assert_kept(at(TES, *place), at(OURS, *place), *place)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_keeps_its_type_its_enum_and_what_it_requires(name: str) -> None:
    place = ("components", "schemas", name)
    published = {key: value for key, value in SCHEMAS[name].items() if key != "properties"}
    assert_kept(published, at(OURS, *place), *place)


@pytest.mark.parametrize(("name", "prop"), PROPERTIES)
def test_a_property_keeps_its_type_its_format_and_its_default(name: str, prop: str) -> None:
    place = ("components", "schemas", name, "properties", prop)
    assert_kept(at(TES, *place), at(OURS, *place), *place)


@pytest.mark.parametrize("part", TES)
def test_no_part_of_the_document_is_lost(part: str) -> None:
    assert_kept(TES[part], OURS[part], part)


def test_nothing_is_fetched_from_elsewhere() -> None:
    remote = re.findall(r"\$ref: *['\"]?([^#'\"\s][^'\"\s]*)", SPEC.read_text())
    assert not remote


def test_a_service_says_of_itself_what_service_info_1_0_0_requires() -> None:
    schemas = OURS["components"]["schemas"]
    asked = {"id", "name", "type", "organization", "version"}
    assert set(schemas["Service"]["required"]) == asked
    assert set(schemas["ServiceType"]["required"]) == {"group", "artifact", "version"}


def test_the_callback_is_the_one_of_the_pull_request() -> None:
    place = ("paths", "/tasks", "post", "callbacks")
    published = deepcopy(at(CALLBACK, *place))
    # It leaves open whether a callback may be empty; ours may not, as it would tell nothing.
    published["statusChange"][CALLBACK_URL]["post"]["requestBody"]["required"] = True
    assert_kept(published, at(OURS, *place), *place)


def test_a_task_takes_a_callback_url() -> None:
    place = ("components", "schemas", "tesTask", "properties", "callback_url")
    assert_kept(at(CALLBACK, *place), at(OURS, *place), *place)


def test_a_callback_carries_what_the_pull_request_says() -> None:
    place = ("components", "schemas", "tesCallbackStatus")
    published = with_refs(at(CALLBACK, *place), CALLBACK_REFS)
    published["properties"]["id"] |= CALLBACK_ID
    assert_kept(published, at(OURS, *place), *place)


def test_a_callback_may_carry_more_and_it_is_tolerated() -> None:
    assert OURS["components"]["schemas"]["tesCallbackStatus"]["additionalProperties"] is True


def test_a_callback_takes_every_state_and_no_other() -> None:
    schemas = OURS["components"]["schemas"]
    for key in ("type", "enum", "default"):
        assert schemas["tesCallbackState"][key] == schemas["tesState"][key]


def test_a_callback_may_be_sent_although_a_state_is_read_only() -> None:
    assert "readOnly" not in OURS["components"]["schemas"]["tesCallbackState"]


@pytest.mark.parametrize("task_id", ["job-0012345", "a", "täsk 1", "a/b", "🙂", "x" * 512])
def test_printable_text_is_a_task_id(task_id: str) -> None:
    assert re.search(PRINTABLE, task_id)


@pytest.mark.parametrize(
    "task_id", ["", "a\n", "\n", "\na", "a\nb", "a\x00", "\x7f", "a\x85", "a\r\n"]
)
def test_text_with_control_characters_is_no_task_id(task_id: str) -> None:
    assert not re.search(PRINTABLE, task_id)


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


SPOILED: dict[str, tuple[str, Callable[[Any], object]]] = {
    "an operation less": (
        "paths > /tasks > post",
        lambda ours: ours["paths"]["/tasks"].pop("post"),
    ),
    "another operationId": (
        "paths > /tasks > get > operationId",
        lambda ours: ours["paths"]["/tasks"]["get"].update(operationId="List"),
    ),
    "a parameter less": (
        "paths > /tasks > get > parameters > name_prefix (query)",
        lambda ours: ours["paths"]["/tasks"]["get"]["parameters"].pop(0),
    ),
    "a parameter that became required": (
        "paths > /tasks > get > parameters > name_prefix (query) > required",
        lambda ours: ours["paths"]["/tasks"]["get"]["parameters"][0].update(required=True),
    ),
    "a new parameter that is required": (
        "paths > /tasks > get > parameters > new (query)",
        lambda ours: ours["paths"]["/tasks"]["get"]["parameters"].append(
            {"name": "new", "in": "query", "required": True}
        ),
    ),
    "a schema less": (
        "components > schemas > tesOutputFileLog",
        lambda ours: ours["components"]["schemas"].pop("tesOutputFileLog"),
    ),
    "a property less": (
        "components > schemas > tesTask > properties > volumes",
        lambda ours: schema(ours, "tesTask")["properties"].pop("volumes"),
    ),
    "a property that became required": (
        "components > schemas > tesTask > required > name",
        lambda ours: schema(ours, "tesTask")["required"].append("name"),
    ),
    "a property that became optional": (
        "components > schemas > tesTask > required > executors",
        lambda ours: schema(ours, "tesTask")["required"].remove("executors"),
    ),
    "an enum value less": (
        "components > schemas > tesState > enum > PREEMPTED",
        lambda ours: schema(ours, "tesState")["enum"].remove("PREEMPTED"),
    ),
    "an enum value more": (
        "components > schemas > tesState > enum > LOST",
        lambda ours: schema(ours, "tesState")["enum"].append("LOST"),
    ),
    "another type": (
        "components > schemas > tesResources > properties > ram_gb > type",
        lambda ours: schema(ours, "tesResources")["properties"]["ram_gb"].update(type="string"),
    ),
    "a format less": (
        "components > schemas > tesResources > properties > ram_gb > format",
        lambda ours: schema(ours, "tesResources")["properties"]["ram_gb"].pop("format"),
    ),
    "a pattern more": (
        "components > schemas > tesTask > properties > name > pattern",
        lambda ours: schema(ours, "tesTask")["properties"]["name"].update(pattern="^a"),
    ),
    "another default": (
        "components > parameters > view > schema > default",
        lambda ours: ours["components"]["parameters"]["view"]["schema"].update(default="FULL"),
    ),
    "no unknown properties any more": (
        "components > schemas > tesTask > additionalProperties",
        lambda ours: schema(ours, "tesTask").update(additionalProperties=False),
    ),
}


@pytest.mark.parametrize(("path", "spoil"), SPOILED.values(), ids=SPOILED.keys())
def test_the_comparison_notices(path: str, spoil: Callable[[Any], object]) -> None:
    ours = deepcopy(OURS)
    spoil(ours)
    assert [difference.path for difference in differences(TES, ours)] == [path]
