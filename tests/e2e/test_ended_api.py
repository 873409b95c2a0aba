"""The API stopped, or killed, under load: whatever was answered 204 is there, and is told."""

import json
import os
import signal
import socket
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests

from tests.e2e.conditions import until
from tests.e2e.load import Load
from tests.e2e.receivers import assert_honest
from tests.e2e.system import call_back, new_task
from tests.e2e.waiting import Waiting, until_asked

# What gunicorn gives to what is under way, and some more for a busy machine.
API_GRACE = 10 + 5
# Less than any of the times for which somebody might be waited for.
AT_ONCE = 5


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


def test_a_stop_keeps_nobody_waiting(system):
    """Connections that are kept, clients that wait and clients that watch do not hold it up."""
    run, client = system.client.register(), system.client
    kept = [requests.Session() for _ in range(3)]
    for session in kept:
        assert session.get(f"{system.api.url}/healthz", timeout=5).ok
    silent = socket.create_connection(("127.0.0.1", system.api.port))
    polling = Waiting(lambda: client.ask("GET", f"{run.path}/updates?wait=60", timeout=70))
    stream = {"headers": {"Accept": "text/event-stream"}, "stream": True, "timeout": 70}
    watching = Waiting(lambda: list(client.ask("GET", f"{run.path}/updates", **stream)))
    until_asked(polling)
    until_asked(watching)
    begun = time.monotonic()
    assert system.api.terminate() == 0
    assert time.monotonic() - begun < AT_ONCE
    answer, _ = polling.end()
    assert answer.json()["updates"] == []
    assert watching.end()
    silent.close()
    with pytest.raises(OSError, match="refused"):
        call_back(run.callback_url, new_task(), "RUNNING")
    system.api.start()
    system.api.until_ready()


def test_a_callback_that_is_coming_in_at_a_stop_is_taken(system, receiver):
    task, run = new_task(), system.client.register(receiver)
    body = json.dumps({"id": task, "state": "RUNNING"}).encode()
    connection = HTTPConnection("127.0.0.1", system.api.port, timeout=10)
    connection.putrequest("POST", urlsplit(run.callback_url).path)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:10])
    # It has been read as far as it has come.
    time.sleep(0.5)
    os.kill(system.api.pid, signal.SIGTERM)
    until(lambda: is_refused(system.api.port))
    connection.send(body[10:])
    assert connection.getresponse().status == 204
    until(lambda: not system.api.is_alive)
    system.api.start()
    receiver.until_told(task, "RUNNING")


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False
