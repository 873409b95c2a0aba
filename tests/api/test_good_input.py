"""What looks odd and is taken all the same."""

import json
from urllib.parse import urlsplit

import pytest

from tests.api.bad_input import GOOD, Row, send
from tests.api.contract import OPERATIONS, check_answer
from tests.api.service import Service


def test_every_operation_answers_as_the_contract_says(service: Service) -> None:
    """And the rows of bad input spoil nothing but what they say: as they are, they are taken."""
    for operation, good in GOOD.items():
        if OPERATIONS[operation].is_tes:
            continue  # It is answered with what the TES server behind it says.
        run = service.register({"sink": good.sink})
        service.call_back(run, "job-1", good.state)
        names = {"{run}": run["id"], "{token}": urlsplit(run["callback_url"]).path[11:]}
        row = Row("nothing", 200, body=good.body, token=good.token)
        answer = send(service, OPERATIONS[operation], row, names)
        assert 200 <= answer.status_code < 300, (operation, answer.text)
        check_answer(operation, answer)


def test_tags_may_be_called_as_the_database_calls_its_operators(service: Service) -> None:
    tags = {"$where": "1", "a.b": "$gt", "__proto__": "{}", ".": "..", "$": ""}
    run = service.register({"tags": tags})
    assert service.call("GET", f"/v1/runs/{run['id']}").json["tags"] == tags
    found = service.call("GET", "/v1/runs?tag_key=a.b&tag_value=%24gt").json["runs"]
    assert [one["id"] for one in found] == [run["id"]]


def test_of_a_name_that_comes_twice_the_last_counts(service: Service) -> None:
    """As most parsers have it; RFC 8259 leaves it open."""
    raw = b'{"name": "first", "name": "second"}'
    answer = service.call("POST", "/v1/runs", data=raw, content_type="application/json")
    assert answer.json["name"] == "second"


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"]
)
def test_json_is_json_whatever_stands_behind_its_type(service: Service, kind: str) -> None:
    """As Java's HTTP clients write it: Nextflow's, and many a TES server's."""
    assert service.call("POST", "/v1/runs", data="{}", content_type=kind).status_code == 201
    path = urlsplit(service.register()["callback_url"]).path
    body = json.dumps({"id": "job-1", "state": "RUNNING"})
    told = service.call("POST", path, data=body, content_type=kind, token=None)
    assert told.status_code == 204


def test_a_callback_may_carry_more_than_the_contract_knows(service: Service) -> None:
    run = service.register()
    body = {"id": "job-1", "state": "RUNNING", "logs": [{"$x": None}], "a.b": {"\x00": 1e308}}
    path = urlsplit(run["callback_url"]).path
    assert service.call("POST", path, body, token=None).status_code == 204


def test_an_id_may_look_like_a_path(service: Service) -> None:
    run = service.register()
    for task_id in ("a//b", "../a", "a/../b", "s3://b/c", "a b", "%2e", "ä", "?", "#"):
        assert service.call_back(run, task_id, "RUNNING").status_code == 204
    known = service.call("GET", f"/v1/runs/{run['id']}/tasks").json["tasks"]
    assert len(known) == 9
    assert service.call("GET", "/v1/tasks/default/a//b").json["id"] == "a//b"
    assert service.call("GET", "/v1/tasks/default/s3://b/c").json["id"] == "s3://b/c"
    assert service.call("GET", "/v1/tasks/default/%252e").json["id"] == "%2e"
