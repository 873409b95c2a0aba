"""The API stopped, or killed, under load: whatever was answered 204 is there, and is told."""

import os
import signal

import pytest

from tests.e2e.conditions import until
from tests.e2e.load import Load
from tests.e2e.receivers import assert_honest
from tests.e2e.system import call_back, new_task
from tests.e2e.waiting import Waiting, until_asked

# What gunicorn gives to what is under way, and some more for a busy machine.
API_GRACE = 10 + 5


@pytest.fixture(scope="module")
def broker():
    return "folder"


@pytest.fixture(scope="module")
def shape():
    return {"api_workers": 2}


def test_a_killed_worker_of_gunicorn_is_replaced_and_loses_nothing(system, receiver):
    run = system.client.register(receiver)
    with Load(run) as load:
        for _ in range(2):
            load.until_more()
            before = system.api.children
            os.kill(before[0], signal.SIGKILL)
            until(lambda before=before: len(set(system.api.children) - set(before)) == 1)
        load.until_more()
    load.until_told(run, receiver)
    assert_honest(receiver)


def test_a_killed_gunicorn_started_again_has_lost_nothing(system, receiver):
    run = system.client.register(receiver)
    with Load(run) as load:
        load.until_more()
        system.api.kill()
        # Its workers go when they see that they are orphans.
        system.api.start()
        load.until_more()
    load.until_told(run, receiver)
    assert_honest(receiver)
    task = new_task()
    run.call_back(task, "RUNNING")
    receiver.until_told(task, "RUNNING")


def test_a_stopped_api_has_answered_what_it_took(system, receiver):
    run = system.client.register(receiver)
    with Load(run) as load:
        load.until_more()
        assert system.api.terminate(API_GRACE) == 0
    assert load.count
    system.api.start()
    system.api.until_ready()
    load.until_told(run, receiver)
    assert_honest(receiver)


def test_who_waits_does_not_keep_the_api_from_stopping(system):
    run = system.client.register()
    waiting = Waiting(lambda: system.client.ask("GET", f"{run.path}/updates?wait=60", timeout=70))
    until_asked(waiting)
    assert system.api.terminate(API_GRACE) == 0
    with pytest.raises(OSError, match="refused"):
        call_back(run.callback_url, new_task(), "RUNNING")
