"""One run's slow or dead receiver is nobody else's affair."""

import time

import pytest

from tests.e2e.conditions import until
from tests.e2e.receivers import Answer
from tests.e2e.system import new_task
from tests.ports import free_port

STALLED = 30
# As long as an answer may take, almost: the service gives it 15 s.
STALL = 14


@pytest.fixture(scope="module")
def broker():
    """It has no part in this."""
    return "folder"


def test_stalled_and_dead_receivers_delay_nobody_else(system, new_receiver):
    arrived = []
    stalling = new_receiver(lambda one: arrived.append(one) or Answer(delay=STALL))
    receiver = new_receiver()
    stalled = [system.client.register(stalling, path=f"{n}") for n in range(STALLED)]
    dead = system.client.register(f"http://127.0.0.1:{free_port()}/")
    healthy = system.client.register(receiver)
    dead.call_back(new_task(), "RUNNING")
    for run in stalled:
        run.call_back(new_task(), "RUNNING")
    until(lambda: len(arrived) == STALLED)
    for _ in range(10):
        task, sent = new_task(), time.monotonic()
        healthy.call_back(task, "RUNNING")
        receiver.until_told(task, "RUNNING")
        assert receiver.deliveries[-1].at - sent < 1
    until(lambda: len(stalling.deliveries) == STALLED)
    for run in stalled:
        until(lambda run=run: run.show()["owed"] == 0)
    assert len(arrived) == STALLED, "who was slow, but in time, was not asked again"
