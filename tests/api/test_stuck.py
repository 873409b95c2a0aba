"""What operators see of runs that have lost their engine, with cwl-WES' database beside it."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo import MongoClient

from tests.adapters.cwl_wes import CwlWes, Document
from tests.api.bad_input import CWL_WES, HTTP, WES
from tests.api.service import Service, app_of, environment

NOW = "quiet_for=0"


@pytest.fixture
def beside(
    mongo_uri: str, mongo_client: MongoClient[dict[str, Any]], tmp_path: Path
) -> Iterator[tuple[Service, CwlWes]]:
    """A service, and a run of the cwl-WES whose database it was given."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    target = {"uri_env": "CWL_WES_URI", "database": f"{name}_wes"}
    own = tmp_path / "beside.yaml"
    own.write_text(yaml.safe_dump({"custom": {"cwl_wes": {"targets": {"cwl": target}}}}))
    variables = {"CALLBACK_CONFIG": str(own), "CWL_WES_URI": mongo_uri}
    app = app_of({**environment(mongo_uri, name, tmp_path), **variables})
    wes = CwlWes(mongo_client[f"{name}_wes"]["runs"], CWL_WES["wes_run_id"])
    wes.create("RUNNING")
    yield Service(app, mongo_client[name]), wes
    for one in (name, f"{name}_wes"):
        mongo_client.drop_database(one)


def ended(service: Service, sink: Document, *, token: str = "other") -> str:
    """A run whose one task has ended, and which was told so."""
    run = service.register({"sink": sink, "name": "nightly"}, token=token)
    service.call_back(run, "t.1", "COMPLETE")
    told = {"$set": {"owed": []}, "$unset": {"owing": ""}}
    assert service.database is not None
    service.database["tasks"].update_many({"runs": run["id"]}, told)
    return str(run["id"])


def listed(service: Service, query: str = NOW) -> list[Document]:
    found: list[Document] = service.ask("list_stuck_runs", query=query, token="admin").json["runs"]
    return found


def test_an_operator_sees_runs_of_all_owners_with_what_speaks_for_it(
    beside: tuple[Service, CwlWes],
) -> None:
    service, wes = beside
    run_id = ended(service, CWL_WES)
    [found] = listed(service)
    assert (found["id"], found["owner"], found["name"]) == (run_id, "bob", "nightly")
    assert (found["sure"], found["wes_state"]) == (True, "RUNNING")
    assert (found["tasks"], found["sink"]) == ({"COMPLETE": 1}, CWL_WES)
    assert found["why"] == "its task has ended; cwl-WES still shows RUNNING"
    assert listed(service, "quiet_for=60") == listed(service, "") == []
    wes.complete()
    assert listed(service) == []


def test_others_are_listed_on_request_and_page_by_page(beside: tuple[Service, CwlWes]) -> None:
    service, _ = beside
    ids = {ended(service, sink) for sink in (CWL_WES, WES, HTTP, {"type": "none"})}
    found, token = [], ""
    while token is not None:
        query = f"{NOW}&unsure=true&page_size=2&page_token={token}"
        page = service.ask("list_stuck_runs", query=query, token="admin").json
        found += page["runs"]
        token = page.get("next_page_token")
    assert {one["id"] for one in found} == ids
    assert sorted(one["sure"] for one in found) == [False, False, False, True]


def test_that_a_run_is_given_up_is_kept_until_a_worker_has_done_it(
    beside: tuple[Service, CwlWes],
) -> None:
    service, wes = beside
    run_id = ended(service, CWL_WES)
    asked = {"reason": "worker evicted"}
    given_up = service.ask("fail_run", asked, run_id=run_id, token="admin")
    assert given_up.status_code == 202
    failing = given_up.json["failing"]
    assert (failing["by"], failing["reason"]) == ("alice", "worker evicted")
    # Neither who says it again nor why changes anything.
    again = service.ask("fail_run", {}, run_id=run_id, token="admin")
    assert again.json["failing"] == failing
    assert service.ask("get_run", run_id=run_id, token="other").json["failing"] == failing
    assert wes.state() == "RUNNING"
