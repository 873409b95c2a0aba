"""House rules for the contract of the service's own interface, and its words are the domain's."""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import connexion
import pytest
import yaml
from connexion.json_schema import Draft4RequestValidator
from connexion.resolver import Resolver
from flask.testing import FlaskClient

import callback_service
from callback_service.domain.delivery import Verdict
from callback_service.domain.errors import InvalidInput, Unavailable
from callback_service.domain.polling import CallsBack, Filters
from callback_service.domain.retry import DEFAULT_SCHEDULE
from callback_service.domain.run import RunStatus
from callback_service.domain.server import DEFAULT_SERVER, Access, check_server_key
from callback_service.domain.sink import MAX_HEADER_LENGTH, MAX_HEADERS, MAX_URL_LENGTH, Format
from callback_service.domain.states import Source, State

SPEC = Path(__file__).parents[2] / "api" / "specs" / "callback_service.openapi.yaml"
DOCUMENT = yaml.safe_load(SPEC.read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
METHODS = ("get", "put", "post", "delete", "patch")
OPERATIONS = {
    item[method].get("operationId", f"{method.upper()} {path}"): (path, method)
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item
}
PUBLIC = {"get_service_info", "healthz", "readyz"}
WITH_BODY = [
    name
    for name, (path, method) in OPERATIONS.items()
    if "requestBody" in DOCUMENT["paths"][path][method]
]

every_operation = pytest.mark.parametrize("name", OPERATIONS)
every_body = pytest.mark.parametrize("name", WITH_BODY)


def resolved(part: Any) -> Any:
    """`part` without references; there are no circles."""
    while isinstance(part, dict) and "$ref" in part:
        target: Any = DOCUMENT
        for key in part["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        part = target
    if isinstance(part, dict):
        return {key: resolved(value) for key, value in part.items()}
    return [resolved(value) for value in part] if isinstance(part, list) else part


def operation(name: str) -> Any:
    path, method = OPERATIONS[name]
    return resolved(DOCUMENT["paths"][path][method])


def parameters(name: str) -> list[Any]:
    path, _ = OPERATIONS[name]
    shared = resolved(DOCUMENT["paths"][path].get("parameters", []))
    return [*shared, *operation(name).get("parameters", [])]


def body(name: str) -> Any:
    return operation(name)["requestBody"]["content"]["application/json"]


def errors(name: str) -> set[str]:
    return {status for status in operation(name)["responses"] if not status.startswith("2")}


def objects(schema: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every object that a schema describes, at whatever depth."""
    for part in schema.get("allOf", []):
        yield from objects(part, place)
    if schema.get("type") == "object":
        yield place, schema
    if schema.get("type") == "array":
        yield from objects(schema["items"], f"{place}[]")
    for name, prop in schema.get("properties", {}).items():
        yield from objects(prop, f"{place}.{name}")


def strings(schema: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    for part in schema.get("allOf", []):
        yield from strings(part, place)
    if schema.get("type") == "string":
        yield place, schema
    if schema.get("type") == "array":
        yield from strings(schema["items"], f"{place}[]")
    for where, described in objects(schema, place):
        if where != place:
            continue
        if isinstance(described.get("additionalProperties"), dict):
            yield from strings(described["additionalProperties"], f"{place}.*")
        for name, prop in described.get("properties", {}).items():
            yield from strings(prop, f"{place}.{name}")


def violations(schema: Any, value: Any) -> list[str]:
    return [error.message for error in Draft4RequestValidator(schema).iter_errors(value)]


# ---- every operation ----


@every_operation
def test_an_operation_is_named_by_the_function_that_it_calls(name: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name), "it has no operationId, or no function's name"
    controller = operation(name)["x-openapi-router-controller"]
    assert re.fullmatch(r"callback_service\.entrypoints\.api\.[a-z]+", controller)


@every_operation
def test_an_operation_wants_a_token_unless_it_is_for_everybody(name: str) -> None:
    assert operation(name)["security"] == ([] if name in PUBLIC else [{"bearer": []}])


@every_operation
def test_an_operation_lists_the_errors_that_it_can_answer(name: str) -> None:
    # A query parameter that it does not have is refused, by every operation.
    expected = set() if name in PUBLIC else {"400", "401", "403", "503"}
    if name in WITH_BODY:
        expected |= {"400", "413", "415"}
    if any(parameter["in"] == "path" for parameter in parameters(name)):
        expected |= {"404"}
    assert expected <= errors(name)
    assert errors(name)


@every_operation
def test_every_error_is_a_problem(name: str) -> None:
    for status in errors(name):
        content = operation(name)["responses"][status]["content"]
        assert list(content) == ["application/problem+json"], status
        media = content["application/problem+json"]
        assert media["schema"] == resolved(SCHEMAS["Problem"]), status
        assert str(media["example"]["status"]) == ("500" if status == "default" else status)


def test_who_may_try_again_is_told_when() -> None:
    header = resolved(DOCUMENT["components"]["responses"]["ServiceUnavailable"])["headers"]
    assert header["Retry-After"]["example"] == Unavailable.retry_after


@every_operation
def test_an_operation_explains_itself_under_a_declared_tag(name: str) -> None:
    found = operation(name)
    declared = {tag["name"] for tag in DOCUMENT["tags"]}
    assert found["summary"]
    assert found["description"]
    assert len(found["tags"]) == 1
    assert set(found["tags"]) <= declared


def test_the_callbacks_come_first() -> None:
    """Their operation is merged in from the TES contract; here they have their tag only."""
    assert DOCUMENT["tags"][0]["name"] == "Callbacks"
    assert not any(path.startswith("/callbacks") for path in DOCUMENT["paths"])


@every_operation
def test_every_placeholder_of_a_path_is_declared(name: str) -> None:
    path, _ = OPERATIONS[name]
    declared = {one["name"] for one in parameters(name) if one["in"] == "path"}
    assert declared == set(re.findall(r"{(\w+)}", path))


@every_operation
def test_every_parameter_is_described(name: str) -> None:
    assert [one["name"] for one in parameters(name) if not one.get("description")] == []


@pytest.mark.parametrize(
    "name", ["list_runs", "list_run_tasks", "list_run_deliveries", "list_servers"]
)
def test_a_list_has_its_plural_and_a_token_for_the_next_page(name: str) -> None:
    schema = operation(name)["responses"]["200"]["content"]["application/json"]["schema"]
    plural = name.rpartition("_")[2]
    assert set(schema["properties"]) == {plural, "next_page_token"}
    assert schema["required"] == [plural]


def test_the_document_has_the_version_of_the_package() -> None:
    assert DOCUMENT["info"]["version"] == callback_service.__version__


# ---- what callers write ----


@every_body
def test_what_callers_write_is_closed(name: str) -> None:
    """A misspelt property is refused, not ignored; a map says what its values are."""
    for place, schema in objects(body(name)["schema"]):
        if "properties" in schema:
            assert schema.get("additionalProperties") is False, place
        else:
            assert isinstance(schema.get("additionalProperties"), dict), place


@every_body
def test_what_callers_write_is_bounded(name: str) -> None:
    for place, schema in strings(body(name)["schema"]):
        assert "maxLength" in schema or "enum" in schema, place


@every_body
def test_examples_of_bodies_are_what_the_schema_takes(name: str) -> None:
    media = body(name)
    examples = [one["value"] for one in media.get("examples", {}).values()]
    examples += [media["example"]] if "example" in media else []
    assert examples
    for example in examples:
        assert not violations(media["schema"], example)


@pytest.mark.parametrize("name", SCHEMAS)
def test_examples_and_defaults_in_schemas_are_what_they_stand_in_for(name: str) -> None:
    pending = [(name, resolved(SCHEMAS[name]))]
    while pending:
        place, schema = pending.pop()
        for key in ("example", "default"):
            if key in schema:
                assert not violations(schema, schema[key]), f"{place} {key}"
        pending += [(f"{place}.{one}", prop) for one, prop in schema.get("properties", {}).items()]
        pending += [(place, part) for part in schema.get("allOf", [])]


def test_the_first_run_of_a_newcomer_needs_nothing_else() -> None:
    first = next(iter(body("register_run")["examples"].values()))
    assert first["value"] == {"name": "my-run", "sink": {"type": "none"}}


@pytest.mark.parametrize("schema", ["ChangeRun", "ChangeServer"])
def test_a_change_says_something_and_has_no_defaults(schema: str) -> None:
    """A client that is generated from this document would send defaults along."""
    found = resolved(SCHEMAS[schema])
    assert found["minProperties"] == 1
    assert [name for name, prop in found["properties"].items() if "default" in prop] == []


def test_credentials_are_named_by_the_same_rule_or_taken_away_in_a_change() -> None:
    changed = SCHEMAS["ChangeServer"]["properties"]["credentials"]
    for key in ("type", "minLength", "maxLength", "pattern"):
        assert changed[key] == SCHEMAS["CredentialsName"][key]
    assert not violations(changed, None)
    assert violations(SCHEMAS["CredentialsName"], None)


@pytest.mark.parametrize("text", ["job-0012345", "a", "täsk 1", "a/b", "🙂", "x" * 512])
def test_printable_text_is_a_task_id(text: str) -> None:
    assert not violations(SCHEMAS["TaskId"], text)


@pytest.mark.parametrize(
    "text", ["", "a\n", "\n", "\na", "a\nb", "a\x00", "\x7f", "a\x85", "\x9f", "a\r\n", "x" * 513]
)
def test_control_characters_are_in_no_task_id(text: str) -> None:
    assert violations(SCHEMAS["TaskId"], text)


@pytest.mark.parametrize("text", ["a\n", "\n", "a\x00b", "\x1f", "a\x85", "x" * 257])
def test_control_characters_are_in_no_name_and_no_tag(text: str) -> None:
    assert violations(SCHEMAS["Name"], text)
    assert violations(SCHEMAS["Tags"], {"key": text})


def test_names_and_tags_may_be_empty() -> None:
    assert not violations(SCHEMAS["Name"], "")
    assert not violations(SCHEMAS["Tags"], {"key": ""})


def test_a_task_is_named_by_the_same_rule_in_a_path() -> None:
    schema = next(one["schema"] for one in parameters("get_task") if one["name"] == "task_id")
    for key in ("type", "minLength", "maxLength", "pattern"):
        assert schema[key] == SCHEMAS["TaskId"][key]


# ---- the domain's words ----


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("State", list(State)),
        ("Source", list(Source)),
        ("Format", list(Format)),
        # A run that is being taken apart is unknown already.
        ("RunStatus", [status for status in RunStatus if status is not RunStatus.ENDING]),
        ("Verdict", list(Verdict)),
        ("CallsBack", list(CallsBack)),
        ("Access", list(Access)),
        ("Filters", list(Filters)),
    ],
)
def test_an_enum_has_the_domains_words_in_its_order(schema: str, words: list[str]) -> None:
    assert SCHEMAS[schema]["enum"] == words


def test_limits_are_the_domains() -> None:
    sink = SCHEMAS["Sink"]["properties"]
    assert sink["url"]["maxLength"] == MAX_URL_LENGTH
    assert sink["headers"]["maxProperties"] == MAX_HEADERS
    assert sink["headers"]["additionalProperties"]["maxLength"] == MAX_HEADER_LENGTH


def test_defaults_are_the_domains() -> None:
    run = SCHEMAS["RegisterRun"]["properties"]
    assert run["retry_schedule"]["default"] == list(DEFAULT_SCHEDULE)
    assert SCHEMAS["Sink"]["properties"]["format"]["default"] == Format.BATCH
    server = SCHEMAS["RegisterServer"]["properties"]
    assert server["calls_back"]["default"] == CallsBack.UNKNOWN
    assert server["access"]["default"] == Access.TOKEN
    assert SCHEMAS["ServerName"]["example"] == DEFAULT_SERVER


@pytest.mark.parametrize("schema", ["ServerName", "NewServerName", "CredentialsName"])
@pytest.mark.parametrize(
    "key",
    ["a", "0", "tes-1", "a--b", "x" * 63, "", "-", "a-", "-a", "A", "a.b", "ä", "a\n", "x" * 64],
)
def test_a_server_has_a_name_that_the_domain_takes(schema: str, key: str) -> None:
    try:
        check_server_key(key)
    except InvalidInput:
        assert violations(SCHEMAS[schema], key)
    else:
        assert not violations(SCHEMAS[schema], key)


# ---- as Connexion routes it ----


class Echo(Resolver):
    """Answers which operation was reached, and with what."""

    def resolve_function_from_operation_id(self, operation_id: str) -> Any:
        def answer(**arguments: Any) -> Any:
            return {"reached": operation_id.rpartition(".")[2], **arguments}

        return answer


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    document = deepcopy(DOCUMENT)
    del document["components"]["securitySchemes"]
    for path, method in OPERATIONS.values():
        del document["paths"][path][method]["security"]
    app = connexion.FlaskApp(__name__, options={"swagger_ui": False})
    app.add_api(document, resolver=Echo(), strict_validation=True)
    return app.app.test_client()


@pytest.mark.parametrize("action", ["pause", "resume", "redeliver", "rotate"])
def test_an_action_is_reached_and_is_no_part_of_the_runs_id(
    client: FlaskClient, action: str
) -> None:
    answer = client.post(f"/v1/runs/r1:{action}", json={}).get_json()
    assert (answer["reached"], answer["run_id"]) == (f"{action}_run", "r1")


def test_a_run_is_not_taken_for_an_action(client: FlaskClient) -> None:
    answer = client.get("/v1/runs/r1").get_json()
    assert (answer["reached"], answer["run_id"]) == ("get_run", "r1")
    assert client.post("/v1/runs/r1").status_code == 405
    assert client.post("/v1/runs/r1:forget").status_code == 405


@pytest.mark.parametrize("written", ["a/b", "a%2Fb"])
def test_a_task_id_may_contain_slashes(client: FlaskClient, written: str) -> None:
    answer = client.get(f"/v1/tasks/default/{written}").get_json()
    assert (answer["reached"], answer["task_id"]) == ("get_task", "a/b")


def test_the_states_of_tasks_are_no_task(client: FlaskClient) -> None:
    answer = client.post("/v1/tasks:states", json={"tasks": [{"id": "a"}]}).get_json()
    assert answer["reached"] == "list_states"


def test_a_rotation_without_a_body_is_one_with_the_default(client: FlaskClient) -> None:
    overlap = SCHEMAS["Rotate"]["properties"]["overlap"]["default"]
    assert client.post("/v1/runs/r1:rotate").get_json()["body"] == {"overlap": overlap}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs?page_sizes=3",
        "/v1/runs?page_size=0",
        "/v1/runs?page_size=1001",
        "/v1/runs?status=ending",
        "/v1/runs/r1?verbose=1",
        "/v1/runs/r1/updates?wait=-1",
        "/v1/runs/r1/updates?wait=61",
        "/v1/tasks/default/a?known=DONE",
        "/v1/tasks/default/a%01",
    ],
)
def test_what_the_contract_does_not_know_is_refused(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 400


@pytest.mark.parametrize(
    "wanted",
    [
        {"nam": "my-run"},
        {"sink": {"url": "http://127.0.0.1:9000/"}},
        {"sink": {"type": "none", "targets": "x"}},
        {"sink": {"type": "cwl-wes", "target": "x", "wes_run_id": "two words"}},
        {"sink": {"type": "cwl-wes", "target": "mongodb://x", "wes_run_id": "ABC123"}},
        {"tasks": ["job-0012345"]},
        {"tasks": [{"id": "a"}] * 1001},
        {"tags": {"key": 1}},
        {"tags": {str(index): "" for index in range(65)}},
        {"expires_in": 59},
        {"expires_in": True},
        {"retry_schedule": []},
        {"retry_schedule": [-1]},
        [],
        "my-run",
    ],
)
def test_a_run_that_breaks_the_contract_is_refused(client: FlaskClient, wanted: Any) -> None:
    assert client.post("/v1/runs", json=wanted).status_code == 400


@pytest.mark.parametrize("path", ["/v1/runs/r1/updates", "/v1/runs"])
def test_json_is_what_is_answered_where_a_stream_could_be_too(
    client: FlaskClient, path: str
) -> None:
    assert client.get(path).mimetype == "application/json"
