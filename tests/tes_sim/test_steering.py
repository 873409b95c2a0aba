"""`/_sim/…`: tests in other processes look behind the server, and steer it."""

import pytest

from callback_service.tes_sim.steering import steer
from tests.tes_sim.asking import asker


class Steered:
    def __init__(self) -> None:
        self.tes = asker("strict", token="t0ken")

    def ask(self, method, what, body=b""):
        return steer(self.tes.core, method, f"/_sim/{what}", body, self.tes.now)

    def get(self, what):
        return self.ask("GET", what).json()


@pytest.fixture
def steered():
    steered = Steered()
    steered.tes.authorization = "Bearer t0ken"
    return steered


def test_it_shows_what_was_asked(steered):
    steered.tes.listed(state="RUNNING", page_size=5)
    steered.tes.ask("GET", "/tasks/x")
    shown = steered.get("requests")
    assert shown["total"] == 2
    assert shown["counts"] == {"ListTasks": 1, "GetTask": 1}
    first, second = shown["requests"]
    assert (first["method"], first["path"]) == ("GET", "/ga4gh/tes/v1/tasks")
    assert first["query"] == [["state", "RUNNING"], ["page_size", "5"]]
    assert (second["operation"], second["status"]) == ("GetTask", 404)
    assert first["at"] == steered.tes.now.isoformat()


def test_requests_that_are_no_operation_are_counted_too(steered):
    steered.tes.ask("GET", "/nothing")
    assert steered.get("requests")["counts"] == {"": 1}


def test_it_shows_no_credentials(steered):
    steered.tes.listed()
    assert "t0ken" not in steered.ask("GET", "requests").body.decode()


def test_what_was_asked_can_be_cleared(steered):
    steered.tes.listed()
    assert steered.ask("DELETE", "requests").status == 200
    assert steered.get("requests") == {"total": 0, "counts": {}, "requests": []}


def test_it_shows_the_truth(steered):
    task = steered.tes.submit(name="one", script="QUEUED 1, RUNNING")
    began = steered.tes.now
    steered.tes.clock.advance(3)
    [shown] = steered.get("tasks")["tasks"]
    assert (shown["id"], shown["name"], shown["state"]) == (task, "one", "RUNNING")
    assert [move["state"] for move in shown["history"]] == ["QUEUED", "RUNNING"]
    assert shown["history"][0]["at"] == began.isoformat()


def test_faults_can_be_set_and_taken_away(steered):
    assert steered.ask("POST", "faults", b'{"answer": "error", "status": 503}').status == 200
    assert steered.tes.ask("GET", "/tasks").status == 503
    assert steered.ask("POST", "faults", b"{}").status == 200
    assert steered.tes.ask("GET", "/tasks").status == 200


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"lasting": 1e300}', b'{"nonsense": 1}', b'{"on": "x"}', b"\xff"]
)
def test_wrong_faults_are_refused_with_the_reason(steered, body):
    reply = steered.ask("POST", "faults", body)
    assert reply.status == 400
    assert reply.json()["error"]


def test_the_server_can_be_restarted(steered):
    steered.tes.submit()
    assert steered.ask("POST", "restart", b'{"down": 5, "forget": true}').status == 200
    assert steered.tes.ask("GET", "/tasks").manner.hangs_up
    steered.tes.clock.advance(5)
    assert steered.tes.listed()["tasks"] == []
    assert steered.get("tasks")["restarts"] == 1


@pytest.mark.parametrize("body", [b"[]", b'{"down": "x"}', b'{"down": null}', b"5"])
def test_a_restart_that_cannot_be_meant_is_refused(steered, body):
    assert steered.ask("POST", "restart", body).status == 400


def test_a_task_can_be_forgotten(steered):
    task = steered.tes.submit()
    assert steered.ask("DELETE", f"tasks/{task}").status == 200
    assert steered.tes.ask("GET", f"/tasks/{task}").status == 404


@pytest.mark.parametrize("path", ["", "nothing", "requests/x", "faults/"])
def test_what_is_not_there_is_answered_with_what_is(steered, path):
    reply = steered.ask("GET", path)
    assert reply.status == 404
    assert "/_sim/requests" in reply.json()["error"]
