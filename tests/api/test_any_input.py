"""Whatever bytes arrive, wherever: an answer that the contract knows, and never a fault of ours."""

import json
import string
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api.bad_input import GOOD, PLACES
from tests.api.contract import OPERATIONS, Operation
from tests.api.service import JSON, Service

# An example costs a request. Shrinking would cost many, for what is readable as it is.
bounded = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORDS = st.sampled_from(
    ["", "0", "1", "-1", "1e9", "nan", "null", "true", "[]", "{}", "$gt", "a.b", "%00", "RUNNING"]
)
TEXTS = st.text(max_size=30) | WORDS
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
NAMES = ["Accept", "Last-Event-ID", "Content-Type", "Host", "X-Forwarded-Proto", "Range"]
PRINTABLE = st.text(string.printable.replace("\n", "").replace("\r", ""), max_size=30)
HEADERS = st.dictionaries(st.sampled_from(NAMES), PRINTABLE, max_size=3)
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "integer": st.integers() | st.floats(),
    "number": st.integers() | st.floats(),
    "object": st.dictionaries(TEXTS, TEXTS, max_size=3),
}
KINDS = st.sampled_from(
    [JSON, f"{JSON}; charset=utf-8", "text/plain", "application/x-www-form-urlencoded"]
)
# A TES server that nobody changes; others come and go.
SILENT = "silent"
WITH_BODY = [one for one in OPERATIONS.values() if one.body]

every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
every_body = pytest.mark.parametrize("operation", WITH_BODY, ids=[one.id for one in WITH_BODY])


@pytest.fixture(scope="module")
def run(service: Service) -> dict[str, Any]:
    server = {"name": SILENT, "url": "http://127.0.0.1:9", "access": "open"}
    service.ask("register_server", server, token="admin")
    return service.register({"server": SILENT})


def path_of(service: Service, operation: Operation, run: dict[str, Any]) -> str:
    if operation.id in {"delete_run", "rotate_run"}:
        # Who comes after it could not use the run any more.
        run = service.register({"server": SILENT})
    path = f"/gateway/{SILENT}{operation.path}" if operation.is_tes else operation.path
    for name, place in {**PLACES, "run_id": run["id"]}.items():
        path = path.replace("{" + name + "}", place)
    return path.replace("{token}", run["callback_url"].rpartition("/")[2])


def send(service: Service, operation: Operation, path: str, **more: Any) -> None:
    token = GOOD[operation.id].token
    answer = service.call(operation.method, path, token=token, **more)
    # Nobody answers for the TES server.
    assert answer.status_code < 500 or (operation.is_tes and answer.status_code == 502), answer.text
    if answer.status_code >= 400:
        assert answer.mimetype == "application/problem+json"
        assert answer.json["status"] == answer.status_code
    # A stream goes on until its reader leaves.
    answer.close()


@every_body
@bounded
@given(raw=st.binary(max_size=200), kind=KINDS)
def test_any_bytes(service: Service, operation: Operation, run: Any, raw: bytes, kind: str) -> None:
    send(service, operation, path_of(service, operation, run), data=raw, content_type=kind)


@every_body
@bounded
@given(value=VALUES)
def test_any_json(service: Service, operation: Operation, run: Any, value: Any) -> None:
    raw = json.dumps(value).encode()
    send(service, operation, path_of(service, operation, run), data=raw, content_type=JSON)


@every_body
@bounded
@given(data=st.data())
def test_any_value_in_any_field(
    service: Service, operation: Operation, run: Any, data: st.DataObject
) -> None:
    assert operation.body
    fields = operation.body["properties"]
    body = dict(GOOD[operation.id].body)
    for name in data.draw(st.lists(st.sampled_from(list(fields)), min_size=1, max_size=3)):
        body[name] = data.draw(VALUES | near(fields[name]))
    raw = json.dumps(body).encode()
    send(service, operation, path_of(service, operation, run), data=raw, content_type=JSON)


def near(schema: Any) -> st.SearchStrategy[Any]:
    """Values of the right shape, whose leaves are anything."""
    if "allOf" in schema:
        return near(schema["allOf"][0])
    if "properties" in schema:
        optional = {name: near(inner) for name, inner in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=optional)
    if "items" in schema:
        return st.lists(near(schema["items"]), max_size=3)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return LEAVES.get(schema.get("type"), VALUES)


@every_operation
@bounded
@given(data=st.data())
def test_any_path_and_query(
    service: Service, operation: Operation, run: Any, data: st.DataObject
) -> None:
    path = path_of(service, operation, run)
    if data.draw(st.booleans()):
        path = f"/gateway/{SILENT}{operation.path}" if operation.is_tes else operation.path
        for name in operation.names("path"):
            place = data.draw(st.text(min_size=1, max_size=20))
            path = path.replace("{" + name + "}", quote(place, safe=""))
    query = data.draw(st.dictionaries(TEXTS, TEXTS, max_size=2))
    # What waits would wait.
    if known := [name for name in operation.names("query") if name != "wait"]:
        query |= {data.draw(st.sampled_from(known)): data.draw(TEXTS)}
    more: dict[str, Any] = {"json": GOOD[operation.id].body} if operation.body else {}
    more["headers"] = data.draw(HEADERS)
    send(service, operation, path, query_string=urlencode(query), **more)
