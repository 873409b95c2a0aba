"""Whatever is wrong with a request: its 4xx, a sentence that helps, and nothing is stored."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft4Validator
from werkzeug.test import TestResponse

from tests.api.bad_input import GOOD, OPERATION_ROWS, OWN, WES, Row, send, token_of
from tests.api.contract import OPERATIONS, SERVICE, Operation
from tests.api.service import Service

PROBLEM = Draft4Validator(SERVICE["components"]["schemas"]["Problem"])
# What the router answers, before any operation is asked.
BY_ROUTER = {404, 405}


@pytest.fixture(scope="module")
def names(service: Service) -> Mapping[str, str]:
    """What the placeholders of the table stand for."""
    # Whoever reaches the gateway may ask the server, and nobody answers for it.
    server = {"name": "default", "url": "http://127.0.0.1:9", "access": "open"}
    assert service.call("POST", "/v1/servers", server, token="admin").status_code == 201
    run = service.register({"sink": {"type": "http", "url": "http://127.0.0.1:9/"}})
    foreign = service.register(token="other")
    deleted = service.register()
    service.call("DELETE", f"/v1/runs/{deleted['id']}")
    service.call_back(run, "job-1", "QUEUED")
    service.call_back(foreign, "job-2", "QUEUED")
    going_on, paused = service.register({"sink": WES}), service.register({"sink": WES})
    service.call_back(going_on, "job-3", "RUNNING")
    service.ask("pause_run", run_id=paused["id"])
    return {
        "{going_on}": going_on["id"],
        "{paused}": paused["id"],
        "{run}": run["id"],
        "{token}": urlsplit(run["callback_url"]).path.rpartition("/")[2],
        "{quiet}": service.register()["id"],
        "{foreign}": foreign["id"],
        "{foreign_page}": token_of(foreign["id"]),
        "{deleted}": deleted["id"],
    }


@pytest.fixture(scope="module")
def contents(service: Service, names: Mapping[str, str]) -> list[Any]:
    """What the database held, as often as a row has looked."""
    assert names
    return [service.stored()]


@pytest.mark.parametrize(
    ("operation", "row"),
    [pytest.param(*pair, id=f"{pair[0].id}: {pair[1].what}") for pair in OPERATION_ROWS],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(
    service: Service,
    names: Mapping[str, str],
    contents: list[Any],
    operation: Operation,
    row: Row,
) -> None:
    answer = send(service, operation, row, names)
    assert answer.status_code == row.status, answer.text[:500]
    assert_problem(answer, row)
    assert (
        row.status in BY_ROUTER
        or str(row.status) in operation.responses
        or ("default" in operation.responses)
    ), "the contract does not list this answer"
    contents.append(service.stored())
    assert contents[-1] == contents[-2]


def assert_problem(answer: TestResponse, row: Row) -> None:
    assert answer.mimetype == "application/problem+json"
    problem = answer.json
    assert [error.message for error in PROBLEM.iter_errors(problem)] == []
    assert problem["status"] == row.status
    assert len(problem["detail"].split()) > 2, "a sentence is wanted"
    # However much was sent, little of it comes back.
    assert len(answer.data) < 4000
    told = problem["detail"]
    if row.at is not None:
        reasons = {error["field"]: error["reason"] for error in problem["errors"]}
        assert row.at in reasons
        told = reasons[row.at]
    assert row.says in told
    if row.status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    if row.status == 405:
        assert answer.headers["Allow"]


def test_every_operation_has_its_rows() -> None:
    assert OWN.keys() == GOOD.keys() == OPERATIONS.keys()


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/v1/runs/", "/callbacks", "/v1/../etc/passwd"]
)
def test_where_nothing_is_there_is_a_problem(service: Service, path: str) -> None:
    answer = service.call("GET", path)
    assert answer.status_code == 404
    assert answer.json["detail"].startswith("there is nothing at this address")
