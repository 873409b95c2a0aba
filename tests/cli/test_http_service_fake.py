"""The fake of the service answers what the contract says, so that what is tested on it holds."""

from pathlib import Path

import pytest
import requests
import yaml
from openapi_schema_validator import OAS30ReadValidator

from tests.fakes.http_service import TOKEN

SPEC = Path(__file__).parents[2] / "api" / "specs" / "callback_service.openapi.yaml"
CONTRACT = yaml.safe_load(SPEC.read_text())
TASKS = {"tasks": [{"id": "t1"}]}
SERVER = {"name": "local", "url": "http://127.0.0.1:8000"}
RUN = "/v1/runs/{run_id}"

# In this order: later ones need what earlier ones made.
REQUESTS = [
    ("POST", "/v1/runs", {"sink": {"type": "http", "url": "http://127.0.0.1:9/"}}, 201),
    ("GET", "/v1/runs", None, 200),
    ("POST", f"{RUN}/tasks", TASKS, 200),
    ("GET", f"{RUN}/tasks", None, 200),
    ("GET", RUN, None, 200),
    ("PATCH", RUN, {"name": "other"}, 200),
    ("POST", f"{RUN}:pause", None, 200),
    ("POST", f"{RUN}:resume", None, 200),
    ("POST", f"{RUN}:redeliver", {}, 202),
    ("POST", f"{RUN}:rotate", {}, 200),
    ("GET", "/v1/runs:stuck", None, 200),
    ("GET", f"{RUN}/updates", None, 200),
    ("GET", f"{RUN}/deliveries", None, 200),
    ("PATCH", RUN, {"sink": {"type": "cwl-wes", "target": "cwl", "wes_run_id": "A1"}}, 200),
    ("POST", f"{RUN}:fail", {"reason": "killed"}, 202),
    ("DELETE", RUN, None, 204),
    ("POST", "/v1/servers", SERVER, 201),
    ("GET", "/v1/servers", None, 200),
    ("GET", "/v1/servers/{server}", None, 200),
    ("PATCH", "/v1/servers/{server}", {"default": True, "credentials": None}, 200),
    ("DELETE", "/v1/servers/{server}", None, 204),
    ("GET", "/readyz", None, 200),
]


def schema_of(method, path, status):
    answer = CONTRACT["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in answer:
        answer = CONTRACT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    kinds = answer.get("content", {})
    schema = kinds.get("application/json", kinds.get("application/problem+json", {})).get("schema")
    return {**schema, "components": CONTRACT["components"]} if schema else None


@pytest.fixture
def ask(service):
    def ask(method, path, body, token=TOKEN):
        run_id, *_ = [*service.run_ids, "none"]
        url = service.url + path.format(run_id=run_id, server="local")
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, url, json=body, headers=headers, timeout=5)

    return ask


def test_its_answers_are_those_of_the_contract(ask, service):
    for method, path, body, status in REQUESTS:
        answer = ask(method, path, body)
        assert answer.status_code == status, (method, path)
        schema = schema_of(method, path, status)
        if schema:
            OAS30ReadValidator(schema).validate(answer.json())
        if path == f"{RUN}/tasks":
            token = f"{service.run_ids[0]}.any"
            requests.post(
                f"{service.url}/callbacks/{token}", json={"id": "t1", "state": "RUNNING"}, timeout=5
            )


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), (TOKEN, 404)])
def test_its_problems_are_those_of_the_contract(ask, token, status):
    answer = ask("GET", RUN, None, token)
    assert answer.status_code == status
    OAS30ReadValidator(schema_of("GET", RUN, status)).validate(answer.json())


def test_it_knows_every_operation_that_the_command_line_uses():
    known = {(method.upper(), path) for path, item in CONTRACT["paths"].items() for method in item}
    assert {(method, path) for method, path, _, _ in REQUESTS} <= known
