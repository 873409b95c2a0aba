"""Without the database nothing is acknowledged; with it again, everything that was is told."""

import time

import pytest
import requests

from tests.e2e.conditions import until
from tests.e2e.load import Load
from tests.e2e.receivers import assert_honest
from tests.e2e.system import TESK_MEANS, TESK_SENDS, call_back, new_task


@pytest.fixture(scope="module")
def broker():
    return "folder"


@pytest.fixture(scope="module")
def shape():
    return {"api_workers": 2}


@pytest.fixture
def run(system, receiver):
    return system.client.register(receiver)


def pids(system):
    return [system.api.pid, *system.api.children, system.worker.pid]


def test_while_the_database_is_down_callbacks_are_refused_in_time(system, run, receiver):
    before = pids(system)
    tasks = [new_task() for _ in range(3)]
    run.call_back(tasks[0], "RUNNING")
    system.database.kill()
    for task in tasks:
        sent = time.monotonic()
        answer = call_back(run.callback_url, task, "COMPLETE")
        assert time.monotonic() - sent < 3
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
    assert requests.get(f"{system.api.url}/readyz", timeout=5).status_code == 503
    assert requests.get(f"{system.api.url}/healthz", timeout=5).status_code == 200
    system.database.start()
    for task in tasks:
        until(lambda task=task: call_back(run.callback_url, task, "COMPLETE").status_code == 204)
    receiver.until_told(tasks[0], "RUNNING", "COMPLETE")
    for task in tasks[1:]:
        receiver.until_told(task, "COMPLETE")
    assert pids(system) == before
    assert_honest(receiver)


def test_what_was_acknowledged_before_the_database_was_killed_is_told_after_it(
    system, run, receiver
):
    before = pids(system)
    with Load(run) as load:
        load.until_more()
        system.database.kill()
        refused = load.refused
        until(lambda: load.refused > refused + 10)
        acknowledged = load.count
        system.database.start()
        load.until_more()
    assert acknowledged
    load.until_told(run, receiver)
    until(lambda: run.show()["owed"] == 0)
    assert pids(system) == before
    assert_honest(receiver)


def test_a_worker_waits_for_the_database(system, run, receiver):
    task = new_task()
    run.do("pause")
    run.call_back(task, *TESK_SENDS)
    run.do("resume")
    receiver.until_told(task, *TESK_MEANS)
    assert system.worker.terminate() == 0
    system.database.kill()
    system.worker.start()
    until(lambda: "tick.missed" in system.worker.text())
    system.database.start()
    other = new_task()
    until(lambda: call_back(run.callback_url, other, "RUNNING").status_code == 204)
    receiver.until_told(other, "RUNNING")
