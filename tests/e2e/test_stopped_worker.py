"""SIGTERM ends a worker when what it is telling is told, and loses nothing."""

import threading
import time

import pytest

from tests.e2e.receivers import Answer, assert_repeats_are_exact
from tests.e2e.system import new_task

# What a worker gives to what is under way, and some more for a busy machine.
WORKER_GRACE = 3 + 5
AT_ONCE = 5


@pytest.fixture(scope="module")
def shape():
    # Nobody waits here for the ten seconds that it is by default.
    return {"delivery": {"shutdown_grace": 3}}


def test_a_stopped_worker_ends_its_deliveries_and_writes_them_down(system, new_receiver):
    arrived = threading.Event()
    receiver = new_receiver(lambda _: arrived.set() or Answer(delay=2))
    run, task = system.client.register(receiver), new_task()
    run.call_back(task, "RUNNING")
    assert arrived.wait(30)
    assert system.worker.terminate(WORKER_GRACE) == 0
    assert [one.status for one in receiver.deliveries] == [204]
    assert run.show()["owed"] == 0
    # What came meanwhile is for the next one.
    run.call_back(task, "COMPLETE")
    receiver.answer = lambda _: Answer()
    system.worker.start()
    receiver.until_told(task, "RUNNING", "COMPLETE")
    assert len(receiver.deliveries) == 2
    assert_repeats_are_exact(receiver)


def test_a_worker_does_not_wait_for_ever_for_a_receiver(system, new_receiver):
    arrived = threading.Event()
    receiver = new_receiver(lambda _: arrived.set() or Answer(delay=60))
    run, task = system.client.register(receiver), new_task()
    run.call_back(task, "RUNNING")
    assert arrived.wait(30)
    assert system.worker.terminate(WORKER_GRACE) == 0
    receiver.answer = lambda _: Answer()
    system.worker.start()
    receiver.until_told(task, "RUNNING")


def test_an_idle_worker_stops_at_once(system):
    began = time.monotonic()
    assert system.worker.terminate() == 0
    assert time.monotonic() - began < AT_ONCE
