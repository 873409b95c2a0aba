"""What a TES server does not tell is found out, by whichever worker is there."""

import itertools
import signal
import time
from pathlib import Path

import pytest
import requests

from tests.e2e.conditions import never, until
from tests.tes_sim.running import TES, running_server

GRACE = 3
EXECUTORS = [{"image": "alpine", "command": ["true"]}]
_seeds = itertools.count()


@pytest.fixture(scope="module")
def shape():
    return {"workers": 2, "delivery": {"shutdown_grace": GRACE}}


@pytest.fixture(scope="module")
def broker():
    """Workers ring themselves: it is the same with each."""
    return "folder"


@pytest.fixture
def tes():
    # Its tasks have other ids than those of the tests before.
    with running_server(callbacks=True, seed=next(_seeds)) as one:
        yield one


@pytest.fixture
def server(system, tes):
    """The simulated server as this service knows it."""
    system.client.post("/v1/servers", {"name": "tes", "url": tes.url})
    yield "tes"
    system.client.ask("DELETE", "/v1/servers/tes")


def submit(tes, url=None, script="QUEUED 0.5, RUNNING 2, COMPLETE"):
    callback = {"callback_url": url} if url else {}
    task = {"executors": EXECUTORS, "tags": {"tes-sim": script}, **callback}
    answer = requests.post(f"{tes.url}{TES}/tasks", json=task, timeout=10)
    assert answer.ok, answer.text
    return answer.json()["id"]


def lists(tes):
    return [one for one in tes.core.journal.requests if one.operation == "ListTasks"]


def until_told(receiver, ends):
    """Wait until the last that it was told of each task is this."""
    until(lambda: {one: states[-1] for one, states in receiver.all_states().items()} == ends)


def listens_to_sigterm(worker):
    """Before Celery has started, SIGTERM just ends it."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1


def test_callbacks_that_are_lost_are_made_up_for(system, receiver, tes, server):
    tes.fail(drop_callbacks=0.3)
    run = system.client.register(receiver, server=server)
    tasks = [submit(tes, run.callback_url) for _ in range(40)]
    # None of its callbacks may have come yet.
    run.follow(*tasks)
    until_told(receiver, dict.fromkeys(tasks, "COMPLETE"))
    assert tes.core.lost_callbacks > 0
    until(lambda: run.show()["owed"] == 0)
    polling = system.client.get(f"/v1/servers/{server}")["polling"]
    assert "error" not in polling
    # Polling clients would have made one for each task and second and a half.
    assert tes.core.journal.total - len(tasks) < 40


def test_once_all_has_ended_the_server_is_left_alone(system, receiver, tes, server):
    run = system.client.register(receiver, server=server)
    run.follow(submit(tes, script="RUNNING 1, COMPLETE"))
    until(lambda: "COMPLETE" in [told.state for told in receiver.told])
    total = tes.core.journal.total
    never(lambda: tes.core.journal.total > total, during=3)


def test_another_worker_goes_on_where_one_was_killed_amid_a_poll(system, receiver, tes, server):
    holder, other = system.workers
    other.kill()
    tes.fail(delay=4.0, on="ListTasks")
    run = system.client.register(receiver, server=server)
    tasks = [submit(tes, script="RUNNING 1, COMPLETE") for _ in range(5)]
    run.follow(*tasks)
    until(lambda: lists(tes))
    holder.kill()
    killed_at = time.monotonic()
    other.start()
    tes.fail()
    until_told(receiver, dict.fromkeys(tasks, "COMPLETE"))
    # Of these some seconds a worker takes to start.
    assert time.monotonic() - killed_at < 15
    times = [one.at.timestamp() for one in lists(tes)]
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(times))


def test_a_worker_that_is_stopped_does_not_wait_for_a_server(system, tes, server):
    tes.fail(delay=30.0, on="ListTasks")
    run = system.client.register(server=server)
    run.follow(*(submit(tes) for _ in range(5)))
    until(lambda: lists(tes) and all(map(listens_to_sigterm, system.workers)))
    began = time.monotonic()
    assert [worker.terminate() for worker in system.workers] == [0, 0]
    # Each gives it three seconds, and takes some to end.
    assert time.monotonic() - began < 2 * (GRACE + 4)
