"""The simulated servers tell the truth over HTTP, and write down who asked them for what."""

import time

import pytest
import requests

from tests.e2e.conditions import until
from tests.faults.fleet import Load
from tests.faults.mishaps import Mishaps
from tests.faults.receivers import receiving
from tests.faults.tes_servers import tes_serving

STATES = ("QUEUED", "RUNNING", "COMPLETE")


@pytest.fixture
def server():
    with tes_serving({"tes": "funnel"}, seed=1) as servers:
        yield servers["tes"]


@pytest.fixture
def nobody():
    """Where callbacks are refused, for it knows no run."""
    with receiving(seed=1) as receivers:
        yield receivers.url


def begin(server, url, **mishaps):
    load = Load({"run": [url]}, rate=30, seconds=0.5, states=STATES, gap=0.2)
    server.begin(load, Mishaps(**mishaps), engine=None)
    until(lambda: server.progress().is_over)
    return load


def read(server, path):
    answer = requests.get(f"{server.url}/ga4gh/tes/v1/tasks{path}", timeout=5)
    assert answer.ok, answer.text
    return answer.json()


def test_it_answers_with_what_became_of_its_tasks(server):
    load = begin(server, "http://127.0.0.1:1/", dropped=1.0)
    truths = server.truths()
    assert len(truths) == load.tasks
    until(lambda: time.monotonic() > max(one.turns[-1].at for one in truths))
    listed = {one["id"]: one["state"] for one in read(server, "?view=MINIMAL")["tasks"]}
    assert listed == {one.task: one.turns[-1].state for one in truths}
    assert {turn.state for one in truths for turn in one.turns} == set(STATES)
    # What never came was never sent.
    assert server.history() == []
    assert server.met()["dropped"] == load.tasks * len(STATES)


def test_it_writes_down_what_it_was_asked_and_when(server):
    begin(server, "http://127.0.0.1:1/", dropped=1.0)
    task = server.truths()[0].task
    before = time.monotonic()
    read(server, f"/{task}?view=MINIMAL")
    read(server, "?view=MINIMAL")
    assert [one.task for one in server.asked()] == [task, None]
    assert all(before - 0.1 < one.at < time.monotonic() + 0.1 for one in server.asked())


def test_what_arrives_of_its_callbacks_is_written_down(server, nobody):
    load = begin(server, nobody, repeated=1.0, delay=(0.1, 0.2))
    assert len(server.history()) == server.progress().sent == 2 * load.tasks * len(STATES)
    assert server.met()["repeated"] == load.tasks * len(STATES)
