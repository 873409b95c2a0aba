"""`callback-service runs stuck` and `runs fail`: nothing is marked that nobody confirmed."""

import json

import pytest

from callback_service.entrypoints.cli import stuck
from tests.cli.test_runs import registered
from tests.fakes.http_service import Problem

CWL_WES = ("--sink-cwl-wes", "cwl", "A1B2C3")
FAILING = {"by": "local", "at": "2025-06-12T14:30:00Z", "reason": "killed"}


@pytest.fixture
def run_id(cli):
    return registered(cli, "--name", "nightly", *CWL_WES)["id"]


def test_stuck_runs_are_listed_with_what_speaks_for_it(cli, service, run_id):
    result = cli("runs", "stuck", "--quiet-for", "7200")
    assert service.requests[-1][1].startswith("/v1/runs:stuck?quiet_for=7200&unsure=false")
    for word in (run_id, "nightly", "A1B2C3", "2 h ago", "yes", "all 2 tasks have ended"):
        assert word in result.stdout


def test_other_runs_are_listed_where_they_are_asked_for(cli, service, run_id):
    registered(cli, "--name", "pulled")
    found = json.loads(cli("runs", "stuck", "--unsure", "--json").stdout)["runs"]
    assert "unsure=true" in service.requests[-1][1]
    assert [one["sure"] for one in found] == [True, False]


def test_a_run_is_marked_and_it_is_said_by_whom(cli, service, run_id):
    result = cli("runs", "fail", run_id, "--yes", "--reason", "worker evicted")
    assert result.exit_code == 0, result.output
    assert asked_to_fail(service) == [{"reason": "worker evicted"}]
    assert result.stdout == f"{run_id} is marked SYSTEM_ERROR by local: worker evicted\n"
    again = cli("runs", "fail", run_id, "--yes", "--json")
    assert json.loads(again.stdout)["status"] == "gone"


def test_without_a_terminal_there_is_nobody_to_ask(cli, service, run_id):
    result = cli("runs", "fail", run_id)
    assert result.exit_code == 2
    assert "say --yes" in result.stderr
    assert asked_to_fail(service) == []


@pytest.fixture
def _on_a_terminal(monkeypatch):
    monkeypatch.setattr(stuck, "is_terminal", lambda: True)


@pytest.mark.usefixtures("_on_a_terminal")
@pytest.mark.parametrize(("answer", "is_marked"), [("y", True), ("n", False), ("", False)])
def test_on_a_terminal_it_asks_first(cli, service, run_id, answer, is_marked):
    result = cli("runs", "fail", run_id, input=f"{answer}\n")
    assert f"Mark the WES run of {run_id} as SYSTEM_ERROR?" in result.output
    assert bool(asked_to_fail(service)) == is_marked
    assert (result.exit_code == 0) == is_marked


@pytest.mark.usefixtures("_on_a_terminal")
def test_the_question_is_no_part_of_the_answer(cli, run_id):
    result = cli("runs", "fail", run_id, "--json", input="y\n")
    assert "SYSTEM_ERROR?" in result.stderr
    assert "SYSTEM_ERROR?" not in result.stdout


def test_a_run_that_has_ended_meanwhile_is_told_of_as_not_marked(cli, service, run_id):
    ended = "the run A1B2C3 has ended at cwl-WES: COMPLETE"
    service.marking = {"status": "gone", "last_error": ended}
    result = cli("runs", "fail", run_id, "--yes")
    assert result.exit_code == 1
    assert f"It was not marked: {ended}." in result.stderr


def test_what_cannot_be_marked_is_refused_in_the_services_words(cli):
    result = cli("runs", "fail", registered(cli)["id"], "--yes")
    assert result.exit_code == 1
    assert "only runs of cwl-WES" in result.stderr


def test_a_run_that_no_worker_marks_is_another_try_worth(cli, service, run_id, monkeypatch):
    monkeypatch.setattr(stuck, "PATIENCE", 0.3)
    service.marking = {"failing": FAILING}
    result = cli("runs", "fail", run_id, "--yes")
    assert result.exit_code == 3
    assert "not done yet" in result.stderr
    assert "by local: killed" in cli("runs", "show", run_id).stdout


def test_how_another_owners_run_goes_cannot_be_seen(cli, service, run_id, monkeypatch):
    service.marking = {"failing": FAILING}
    monkeypatch.setattr(stuck, "LOOK_EVERY", 0)

    def deny(*_, **__):
        raise Problem(404, "there is no such run of yours")

    monkeypatch.setattr(service, "get_run", deny)
    result = cli("runs", "fail", run_id, "--yes")
    assert result.exit_code == 3
    assert "only the run's owner can see" in result.stderr


def asked_to_fail(service):
    return [body for _, path, body in service.requests if path.endswith(":fail")]
