"""Clients that wait are woken by callbacks, whichever API process those came to."""

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import pytest
import requests

from tests.e2e.conditions import until
from tests.e2e.system import new_task
from tests.e2e.waiting import Waiting, until_asked

WOKEN_WITHIN = 1
CROWD = 200


@pytest.fixture(scope="module")
def broker():
    """It has no part in this."""
    return "folder"


@pytest.fixture(scope="module")
def shape():
    """Two APIs know of each other only what the database says."""
    return {"apis": 2}


@pytest.fixture
def elsewhere(system):
    """The other API: callbacks go to the first one."""
    return system.client_of(system.apis[1])


@pytest.mark.parametrize("sink", [None, "http://127.0.0.1:1/"])
def test_who_waits_for_updates_is_woken_by_a_callback_at_another_api(system, elsewhere, sink):
    run, task = system.client.register(sink), new_task()
    waiting = Waiting(lambda: elsewhere.get(f"{run.path}/updates?wait=20"))
    until_asked(waiting)
    sent = time.monotonic()
    run.call_back(task, "RUNNING")
    page, woken = waiting.end()
    assert [(one["task_id"], one["state"]) for one in page["updates"]] == [(task, "RUNNING")]
    assert woken - sent < WOKEN_WITHIN


def test_who_waits_for_a_task_is_woken_when_it_differs(system, elsewhere):
    run, task = system.client.register(), new_task()
    run.call_back(task, "QUEUED")
    path = f"/v1/tasks/default/{task}?known=QUEUED&wait=20"
    waiting = Waiting(lambda: elsewhere.get(path))
    until_asked(waiting)
    run.call_back(task, "QUEUED")
    until_asked(waiting)
    sent = time.monotonic()
    run.call_back(task, "RUNNING")
    found, woken = waiting.end()
    assert found["state"] == "RUNNING"
    assert woken - sent < WOKEN_WITHIN


def test_who_waits_in_vain_is_answered_when_the_time_is_over(system, elsewhere):
    run = system.client.register()
    began = time.monotonic()
    page = elsewhere.get(f"{run.path}/updates?wait=1")
    assert page["updates"] == []
    assert 0.9 < time.monotonic() - began < 5


def test_a_cursor_is_good_at_every_api(system, elsewhere):
    run, task = system.client.register(), new_task()
    run.call_back(task, "QUEUED", "RUNNING")
    page = system.client.get(f"{run.path}/updates")
    assert [one["state"] for one in page["updates"]] == ["QUEUED", "RUNNING"]
    run.call_back(task, "COMPLETE")
    page = elsewhere.get(f"{run.path}/updates?wait=5&after={page['cursor']}")
    assert [one["state"] for one in page["updates"]] == ["COMPLETE"]


class EventStream:
    """Server-sent events of a run, as they arrive: the data, with ids and times."""

    def __init__(self, client, run, last_event_id=None):
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {client.token}"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        self.events = []
        self._connection = HTTPConnection(client.url.removeprefix("http://"), timeout=30)
        self._connection.request("GET", f"{run.path}/updates", headers=headers)
        # The answer takes it over.
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        assert self._answer.headers["Content-Type"].startswith("text/event-stream")
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._reading.join()
        self._answer.close()

    def until_states(self, *states):
        until(lambda: [one["state"] for one, _, _ in self.events] == list(states))

    def _read(self):
        last_id = None
        # Of a stream that is broken off, the last piece is missing.
        with contextlib.suppress(IncompleteRead, OSError):
            for line in map(bytes.decode, self._answer):
                if line.startswith("id: "):
                    last_id = line.removeprefix("id: ").strip()
                if line.startswith("data: "):
                    data = json.loads(line.removeprefix("data: "))
                    self.events.append((data, last_id, time.monotonic()))


def test_a_stream_tells_of_callbacks_at_another_api_at_once(system, elsewhere):
    run, task = system.client.register(), new_task()
    run.call_back(task, "QUEUED")
    with EventStream(elsewhere, run) as stream:
        stream.until_states("QUEUED")
        sent = time.monotonic()
        run.call_back(task, "RUNNING")
        stream.until_states("QUEUED", "RUNNING")
        assert stream.events[-1][2] - sent < WOKEN_WITHIN


def test_a_stream_goes_on_where_it_broke_off(system, elsewhere):
    run, task = system.client.register(), new_task()
    run.call_back(task, "QUEUED")
    with EventStream(elsewhere, run) as stream:
        stream.until_states("QUEUED")
        _, last_event_id, _ = stream.events[-1]
    run.call_back(task, "RUNNING", "COMPLETE")
    with EventStream(system.client, run, last_event_id) as stream:
        stream.until_states("RUNNING", "COMPLETE")


def test_a_crowd_that_waits_holds_up_no_callback_and_is_woken_together(system):
    """All at one API, which takes the callbacks as well."""
    run, other, task = system.client.register(), system.client.register(), new_task()
    headers = {"Authorization": f"Bearer {system.client.token}"}
    url = f"{system.api.url}{run.path}/updates?wait=60"
    with ThreadPoolExecutor(CROWD) as pool:
        crowd = []
        for _ in range(CROWD):
            # A queue before the door is another matter.
            time.sleep(0.01)
            crowd.append(pool.submit(requests.get, url, headers=headers, timeout=90))
        until(lambda: connections_to(system.api.port) >= CROWD)
        until(lambda: is_quick(other))
        assert sum(is_quick(other) for _ in range(20)) >= 18
        assert not any(one.done() for one in crowd)
        run.call_back(task, "COMPLETE")
        for one in crowd:
            (update,) = one.result(30).json()["updates"]
            assert update["task_id"] == task


def is_quick(run):
    """Whether a callback is taken as if nobody waited, or nearly so."""
    sent = time.monotonic()
    run.call_back(new_task(), "RUNNING")
    return time.monotonic() - sent < WOKEN_WITHIN


def connections_to(port):
    """How many there are from this machine."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    return sum(
        local.endswith(f":{port:04X}") and state == established for _, local, _, state, *_ in lines
    )
