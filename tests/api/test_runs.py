"""What becomes of a run, from its registration to its end."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from callback_service.domain.delivery import Answer, Attempt, Verdict
from tests.api.service import Service

WEBHOOK = {"type": "http", "url": "http://127.0.0.1:9/", "headers": {"X-Key": "hidden-value"}}


def path_of(keys: dict[str, Any]) -> str:
    return urlsplit(keys["callback_url"]).path


def pages(service: Service, operation: str, plural: str, query: str, **more: Any) -> list[Any]:
    """What all pages hold, one after the other."""
    found, token = [], ""
    while True:
        page = service.ask(operation, query=f"{query}&page_token={token}", **more).json
        found += page[plural]
        token = page.get("next_page_token")
        if not token:
            return found


def test_a_run_is_registered_with_an_empty_object(service: Service) -> None:
    answer = service.ask("register_run", {})
    run = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/runs/{run['id']}"
    assert run["callback_url"].startswith(f"http://localhost/callbacks/{run['id']}.")
    assert run["secret"].startswith("whsec_")
    assert (run["owner"], run["server"], run["sink"]) == ("alice", "default", {"type": "none"})


def test_keys_are_shown_once_and_header_values_never(service: Service) -> None:
    run = service.register({"sink": WEBHOOK})
    shown = service.ask("get_run", run_id=run["id"])
    listed = service.ask("list_runs")
    assert shown.json["sink"]["header_names"] == ["X-Key"]
    for text in (shown.text, listed.text):
        assert run["id"] in text
        assert "hidden-value" not in text
        assert run["secret"] not in text
        assert run["callback_url"].rpartition(".")[2] not in text


def test_a_run_of_cwl_wes_is_named_with_its_target_and_no_address(service: Service) -> None:
    sink = {"type": "cwl-wes", "target": "cwl", "wes_run_id": "A1B2C3"}
    run = service.register({"sink": sink})
    assert run["sink"] == sink
    assert service.ask("get_run", run_id=run["id"]).json["sink"] == sink
    changed = service.ask("change_run", {"sink": sink | {"wes_run_id": "B"}}, run_id=run["id"])
    assert changed.json["sink"]["wes_run_id"] == "B"


def test_a_run_of_a_wes_is_shown_without_what_its_headers_say(service: Service) -> None:
    sink = {"type": "wes", "url": "http://127.0.0.1:9/ga4gh/wes/v1", "wes_run_id": "A1B2C3"}
    secret = {"Authorization": "Bearer hidden-value"}
    run = service.register({"sink": {**sink, "headers": secret}})
    shown = service.ask("get_run", run_id=run["id"])
    assert shown.json["sink"] == run["sink"] == {**sink, "header_names": ["Authorization"]}
    assert "hidden-value" not in shown.text


def test_runs_are_listed_newest_first_and_page_by_page(service: Service) -> None:
    ids = [service.register({"name": f"page-{number}"})["id"] for number in range(5)]
    for size in (1, 2, 5, 6):
        query = f"name_prefix=page-&page_size={size}"
        assert [run["id"] for run in pages(service, "list_runs", "runs", query)] == ids[::-1]


def test_runs_are_found_by_name_tags_and_status(service: Service) -> None:
    one = service.register({"name": "find-one", "tags": {"a": "1,2", "b": ""}})["id"]
    two = service.register({"name": "find-two", "tags": {"a": "2"}})["id"]
    service.ask("pause_run", run_id=two)

    def found(query: str) -> set[str]:
        return {run["id"] for run in service.ask("list_runs", query=query).json["runs"]} & {
            one,
            two,
        }

    assert found("name_prefix=find-") == {one, two}
    assert found("name_prefix=find-t") == {two}
    assert found("tag_key=a") == {one, two}
    assert found("tag_key=a&tag_value=1,2") == {one}
    assert found("tag_key=a&tag_key=b&tag_value=&tag_value=") == {one}
    assert found("tag_key=a&tag_key=b&tag_value=2") == set()
    assert found("status=paused") == {two}


def test_owners_see_their_own_only(service: Service) -> None:
    mine, theirs = service.register()["id"], service.register(token="other")["id"]
    assert theirs not in service.ask("list_runs").text
    assert mine not in service.ask("list_runs", token="other").text
    assert service.ask("get_run", run_id=theirs).status_code == 404


def test_a_run_tells_how_it_stands(service: Service) -> None:
    run = service.register({"sink": WEBHOOK})
    for task, state in (("t1", "RUNNING"), ("t2", "RUNNING"), ("t3", "COMPLETE")):
        assert service.call_back(run, task, state).status_code == 204
    shown = service.ask("get_run", run_id=run["id"]).json
    assert shown["tasks"] == {"RUNNING": 2, "COMPLETE": 1}
    assert (shown["owed"], shown["dead_letters"]) == (3, 0)


def test_a_change_leaves_what_it_does_not_name(service: Service) -> None:
    run = service.register({"name": "before", "tags": {"a": "1"}})
    changed = service.ask("change_run", {"name": "after", "expires_in": 60}, run_id=run["id"]).json
    left = datetime.fromisoformat(changed["expires_at"]) - datetime.now(UTC)
    assert (changed["name"], changed["tags"]) == ("after", {"a": "1"})
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    changed = service.ask("change_run", {"sink": WEBHOOK, "tags": {}}, run_id=run["id"]).json
    assert (changed["sink"]["type"], changed["tags"]) == ("http", {})


def test_a_paused_run_takes_callbacks_and_resumes(service: Service) -> None:
    run = service.register({"sink": WEBHOOK})
    assert service.ask("pause_run", run_id=run["id"]).json["status"] == "paused"
    assert service.ask("pause_run", run_id=run["id"]).json["status"] == "paused"
    assert service.call_back(run, "t1", "RUNNING").status_code == 204
    assert service.ask("resume_run", run_id=run["id"]).json["status"] == "active"


def test_a_run_whose_receiver_is_gone_is_resumed_and_not_paused(service: Service) -> None:
    assert service.database is not None
    run_id = service.register({"sink": WEBHOOK})["id"]
    service.database["runs"].update_one({"_id": run_id}, {"$set": {"status": "gone"}})
    refused = service.ask("pause_run", run_id=run_id)
    assert refused.status_code == 409
    assert "resume" in refused.json["detail"]
    assert service.ask("resume_run", run_id=run_id).json["status"] == "active"


def test_redelivery_is_accepted_and_done_later(service: Service) -> None:
    run = service.register({"sink": WEBHOOK})
    for body in ({}, {"since": "2025-06-12T14:30:00+02:00"}, {"tasks": ["t1"]}):
        assert service.ask("redeliver_run", body, run_id=run["id"]).status_code == 202


@pytest.mark.parametrize("body", [None, {}, {"overlap": 60}])
def test_old_and_new_keys_are_good_while_they_overlap(service: Service, body: Any) -> None:
    run = service.register()
    keys = service.ask("rotate_run", body, run_id=run["id"]).json
    assert keys["callback_url"] != run["callback_url"]
    assert keys["secret"] != run["secret"]
    assert service.call_back(run, "t1", "QUEUED").status_code == 204
    assert service.call_back(keys, "t1", "RUNNING").status_code == 204


def test_without_overlap_the_old_callback_url_is_void_at_once(service: Service) -> None:
    run = service.register()
    keys = service.ask("rotate_run", {"overlap": 0}, run_id=run["id"]).json
    assert service.call_back(run, "t1", "QUEUED").status_code == 404
    assert service.call_back(keys, "t1", "RUNNING").status_code == 204


def test_a_deleted_run_is_unknown_and_so_is_its_callback_url(service: Service) -> None:
    run = service.register()
    service.call_back(run, "t1", "QUEUED")
    assert service.ask("delete_run", run_id=run["id"]).status_code == 204
    assert service.ask("get_run", run_id=run["id"]).status_code == 404
    assert service.ask("delete_run", run_id=run["id"]).status_code == 404
    assert service.call_back(run, "t1", "RUNNING").status_code == 404


def test_a_run_follows_tasks_by_name(service: Service) -> None:
    run = service.register({"tasks": [{"id": "b"}, {"id": "a", "server": "default"}]})
    added = service.ask("add_run_tasks", {"tasks": [{"id": "c"}, {"id": "a"}]}, run_id=run["id"])
    assert [one["id"] for one in added.json["states"]] == ["c", "a"]
    listed = pages(service, "list_run_tasks", "tasks", "page_size=2", run_id=run["id"])
    assert [one["id"] for one in listed] == ["a", "b", "c"]
    assert {one["state"] for one in listed} == {"UNKNOWN"}


def test_attempts_are_listed_newest_first_and_page_by_page(service: Service) -> None:
    run_id = service.register({"sink": WEBHOOK})["id"]
    now = datetime.now(UTC).replace(microsecond=0)
    answers = (Answer(204, latency=0.01), Answer(500, body="no"), Answer(error="no route"))
    log = service.app.extensions["callback_service"].delivery_log
    log.add(
        [
            Attempt(run_id, "msg_1", now - timedelta(seconds=age), 1, 3, Verdict.TOLD, answer)
            for age, answer in enumerate(answers)
        ]
    )
    listed = pages(service, "list_run_deliveries", "deliveries", "page_size=2", run_id=run_id)
    assert [one.get("status") for one in listed] == [204, 500, None]
    assert listed[2]["error"] == "no route"
