"""The client asks what the contract knows, and the fake that its tests run against answers so."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from callback_client import CallbackClient, CallbackServiceError
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from client.tests.fake_service import OPERATIONS, Exchange, FakeService

SPEC = Path(__file__).parents[2] / "api" / "specs" / "callback_service.openapi.yaml"
# What anybody asks without a client.
FOR_OTHERS = {"get_service_info", "healthz", "readyz", "list_stuck_runs", "fail_run"}


def resolved(node: Any, document: Any) -> Any:
    """The node with what it refers to in place of the references; the contract has no cycles."""
    if isinstance(node, list):
        return [resolved(item, document) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return resolved(target, document)
    return {name: resolved(item, document) for name, item in node.items()}


def contract() -> dict[str, Any]:
    """By operationId: the operation, with `at` for its method and path."""
    document = yaml.safe_load(SPEC.read_text("utf-8"))
    found = {}
    for path, item in resolved(document["paths"], document).items():
        for method, operation in item.items():
            if method != "parameters":
                parameters = item.get("parameters", []) + operation.get("parameters", [])
                found[operation["operationId"]] = {
                    **operation,
                    "parameters": parameters,
                    "at": (method.upper(), path),
                }
    return found


CONTRACT = contract()


def exercise(client: CallbackClient, service: FakeService) -> None:
    """Everything that the client can ask, with everything that it can be given."""
    service.page_size = 1
    service.report("job-1", "QUEUED", "RUNNING")
    service.report("a/b c", "COMPLETE")
    client.register_server("silent", "https://tes.example.org", calls_back="no", default=True)
    client.register_server("local", "http://127.0.0.1:8000", access="pass", credentials="hpc")
    client.change_server("local", access="open", credentials="")
    client.change_server("local", url="http://127.0.0.1:8001", calls_back="yes", default=False)
    client.server("local")
    assert len(client.servers()) == 2
    client.delete_server("local")
    client.register()
    run = client.register(
        "my-run",
        tags={"project": "demo"},
        server="default",
        sink={
            "type": "http",
            "url": "http://127.0.0.1:9000/",
            "format": "tes",
            "headers": {"Authorization": "Basic x"},
        },
        tasks=["job-1", ("silent", "job-2")],
        expires_in=3600,
        retry_schedule=[0, 2.5],
    )
    client.run(run.id)
    assert len(list(client.runs())) == 2
    list(client.runs(name_prefix="my", tags={"project": ""}, status="active"))
    client.change(
        run.id,
        name="other",
        tags={},
        sink="http://127.0.0.1:9000/",
        expires_in=60,
        retry_schedule=[1],
    )
    client.pause(run.id)
    client.resume(run.id)
    client.redeliver(run.id)
    client.redeliver(run.id, since=datetime.now(UTC), tasks=["job-1"])
    client.rotate(run.id)
    client.rotate(run.id, overlap=0)
    client.add_tasks(run.id, ["a/b c"])
    assert len(list(client.tasks(run.id))) == 3
    attempt = {"at": "2025-06-12T14:30:00.012Z", "webhook_id": "msg_0", "attempt": 1}
    service.deliveries = [{**attempt, "updates": 3, "verdict": "told", "latency_ms": 8.3}] * 2
    assert len(list(client.deliveries(run.id))) == 2
    client.task("default", "a/b c")
    client.task("default", "job-1", known="RUNNING", wait=0.01, often=True)
    client.states(["job-1", ("other", "job-2")])
    list(client.updates(run.id, follow=False))
    next(client.updates(run.id, wait=60))
    next(client.watch(run))
    client.delete(run.id)


@pytest.fixture(scope="module")
def exchanges() -> Iterator[list[Exchange]]:
    with pytest.MonkeyPatch.context() as patch, FakeService() as service:
        patch.setenv("NO_PROXY", "127.0.0.1")
        client = CallbackClient(service.url, "open-sesame")
        exercise(client, service)
        with pytest.raises(CallbackServiceError):
            client.register(sink="nowhere")
        with pytest.raises(CallbackServiceError):
            client.run("r0")
        yield service.exchanges


def check(value: Any, schema: Any) -> None:
    OAS30Validator(schema, format_checker=oas30_format_checker).validate(value)


def read(text: str, schema: Any) -> Any:
    kind = schema.get("type")
    if kind == "boolean":
        return {"true": True, "false": False}[text]
    return int(text) if kind == "integer" else float(text) if kind == "number" else text


def test_the_fake_has_the_operations_of_the_contract() -> None:
    assert {
        name: operation["at"] for name, operation in CONTRACT.items() if name not in FOR_OTHERS
    } == OPERATIONS


def test_the_client_can_ask_for_every_operation(exchanges: list[Exchange]) -> None:
    assert {exchange.operation for exchange in exchanges} == set(OPERATIONS)


def test_every_query_is_one_that_the_contract_knows(exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        known = {
            parameter["name"]: parameter["schema"]
            for parameter in CONTRACT[exchange.operation]["parameters"]
            if parameter["in"] == "query"
        }
        for name, pairs in groupby(sorted(exchange.query), key=lambda pair: pair[0]):
            values = [value for _, value in pairs]
            schema = known[name]
            check(values if schema["type"] == "array" else read(values[0], schema), schema)


def test_every_body_is_one_that_the_contract_takes(exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        wanted = CONTRACT[exchange.operation].get("requestBody")
        if exchange.body is None:
            assert not (wanted and wanted.get("required"))
        elif exchange.answer.status != 400:
            assert exchange.headers["content-type"] == "application/json"
            check(exchange.body, wanted["content"]["application/json"]["schema"])


def test_the_fake_answers_what_the_contract_says(exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        said = CONTRACT[exchange.operation]["responses"][str(exchange.answer.status)]
        kind = "application/json" if exchange.answer.status < 400 else "application/problem+json"
        if "content" in said:
            check(exchange.answer.body, said["content"][kind]["schema"])
        else:
            assert exchange.answer.body is None


def test_every_request_shows_the_token_and_who_asks(exchanges: list[Exchange]) -> None:
    for exchange in exchanges:
        assert exchange.headers["authorization"] == "Bearer open-sesame"
        assert exchange.headers["user-agent"].startswith("tes-callback-client/")
        assert urlsplit(exchange.path).path.startswith("/v1/")
