"""`runs watch` goes on until all tasks have ended, whatever becomes of the service meanwhile."""

import json
import time

import pytest
import requests


@pytest.fixture
def run(cli):
    return json.loads(cli("runs", "register", "--task", "t1", "--task", "t2", "--json").stdout)


def call_back(run, task, *states):
    for state in states:
        requests.post(run["callback_url"], json={"id": task, "state": state}, timeout=5)


def call_back_to_another(cli):
    other = json.loads(cli("runs", "register", "--json").stdout)
    call_back(other, "other", "COMPLETE")


def test_it_ends_when_all_tasks_have_ended_and_tells_every_update(start, run):
    watching = start("runs", "watch", run["id"], "--json")
    call_back(run, "t1", "QUEUED", "RUNNING", "COMPLETE")
    call_back(run, "t2", "RUNNING", "SYSTEM_ERROR")
    code, out, err = watching.end()
    assert (code, err) == (1, "")  # one of them did not end well
    told = [json.loads(line) for line in out.splitlines()]
    assert [(one["task_id"], one["seq"]) for one in told] == [
        *(("t1", 1), ("t1", 2), ("t1", 3)),
        *(("t2", 1), ("t2", 2)),
    ]


def test_a_run_without_tasks_is_waited_for(start, run, cli, service):
    empty = json.loads(cli("runs", "register", "--json").stdout)
    watching = start("runs", "watch", empty["id"])
    assert watching.read_line() == "0 of 0 tasks have ended.\n"
    call_back(empty, "t1", "COMPLETE")
    code, out, _ = watching.end()
    assert code == 0
    assert out.endswith("All have ended: 1 task.\n")


def test_it_survives_a_restart_of_the_service(start, run, service):
    watching = start("runs", "watch", run["id"], "--json")
    call_back(run, "t1", "COMPLETE")
    assert json.loads(watching.read_line())["task_id"] == "t1"
    service.stop()
    assert service.url in watching.read_complaint()
    # It was asked again by then, and more than once.
    time.sleep(2)
    service.start()
    call_back(run, "t2", "COMPLETE")
    code, out, err = watching.end()
    assert (code, err) == (0, f"{service.url} is back.\n")
    assert json.loads(out)["task_id"] == "t2"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_ctrl_c_is_no_end(start, run, options):
    call_back(run, "t1", "RUNNING")
    watching = start("runs", "watch", run["id"], *options)
    watching.read_line()
    watching.interrupt()
    code, _, err = watching.end()
    assert (code, err) == (130, "")


def test_a_line_says_what_moved_and_how_it_stands(cli, run):
    call_back(run, "t1", "RUNNING", "COMPLETE")
    call_back(run, "t2", "CANCELED")
    result = cli("runs", "watch", run["id"])
    assert result.exit_code == 1
    *moves, end = [line.split("  ", 1)[-1] for line in result.stdout.splitlines()]
    assert moves[-3:] == [
        "t1  UNKNOWN -> RUNNING",
        "t1  RUNNING -> COMPLETE",
        "t2  UNKNOWN -> CANCELED",
    ]
    assert end == "All have ended: 2 tasks, 1 of them not well."


def test_who_stays_is_told_of_what_is_submitted_later(start, run, cli):
    call_back(run, "t1", "COMPLETE")
    call_back(run, "t2", "COMPLETE")
    watching = start("runs", "watch", run["id"], "--stay", "--json")
    assert [json.loads(watching.read_line())["task_id"] for _ in range(2)] == ["t1", "t2"]
    call_back(run, "t3", "COMPLETE")
    assert json.loads(watching.read_line())["task_id"] == "t3"
    cli("runs", "delete", run["id"])
    # The fake wakes nobody for that.
    call_back_to_another(cli)
    assert watching.end() == (0, "", "")


def test_a_run_that_is_deleted_meanwhile_is_a_failure(start, run, cli):
    watching = start("runs", "watch", run["id"])
    watching.read_line()
    cli("runs", "delete", run["id"])
    call_back(run, "t1", "RUNNING")
    code, _, err = watching.end()
    assert code == 1
    assert err.startswith("Error: there is no run")


def test_a_service_that_is_away_from_the_start_is_not_waited_for(cli, run, service):
    service.stop()
    assert cli("runs", "watch", run["id"]).exit_code == 3
    service.start()


def test_an_expired_cursor_begins_anew_and_tells_nothing_twice(cli, run, service, monkeypatch):
    call_back(run, "t1", "COMPLETE")
    call_back(run, "t2", "COMPLETE")
    pages = service.list_run_updates
    asked = []

    def give_an_old_cursor_first(run_id, query, body):
        asked.append(query.get("after"))
        status, page = pages(run_id, query, body)
        return status, {**page, "cursor": "-1"} if len(asked) == 1 else page

    monkeypatch.setattr(service, "list_run_updates", give_an_old_cursor_first)
    result = cli("runs", "watch", run["id"], "--json")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert asked[:3] == [None, "-1", None]
