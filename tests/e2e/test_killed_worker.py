"""`kill -9` of a worker: whatever it was about to do, another one does."""

import time

import pytest

from tests.e2e.conditions import until
from tests.e2e.load import Load
from tests.e2e.receivers import Answer, assert_repeats_are_exact
from tests.e2e.system import TESK_MEANS, TESK_SENDS, new_task

# Seconds: five are promised, and a machine that is busy with tests takes some more.
SOON = 10.0


@pytest.fixture(scope="module")
def shape():
    return {"workers": 2}


def test_a_worker_killed_while_it_delivers_is_replaced_by_another(system, new_receiver):
    receivers = [new_receiver(lambda _: Answer(delay=0.01)) for _ in range(3)]
    runs = [system.client.register(one, format="cloudevents") for one in receivers]
    _, another = system.workers
    with Load(*runs) as load:
        until(lambda: all(len(one.accepted) > 5 for one in receivers))
        system.worker.kill()
        load.until_more(50)
        system.worker.start()
        load.until_more(50)
        another.kill()
        load.until_more(50)
    for run, receiver in zip(runs, receivers, strict=True):
        load.until_told(run, receiver)
        until(lambda run=run: run.show()["owed"] == 0)
        assert_repeats_are_exact(receiver)


def test_a_killed_workers_run_is_taken_over_soon(system, new_receiver):
    """As soon as its lease has ended, which was renewed while the receiver took its time."""
    arrived = []

    def hang_once(_delivery):
        arrived.append(time.monotonic())
        return Answer(delay=60 if len(arrived) == 1 else 0)

    run = system.client.register(new_receiver(hang_once))
    run.call_back(new_task(), "RUNNING")
    until(lambda: arrived)
    first = lease_of(system, run)
    until(lambda: lease_of(system, run)["until"] > first["until"])
    (holder,) = [one for one in system.workers if str(one.pid) in first["holder"].split(":")]
    holder.kill()
    killed_at = time.monotonic()
    until(lambda: len(arrived) > 1)
    assert arrived[1] - killed_at < SOON
    holder.start()


def lease_of(system, run):
    with system.database.client() as client:
        return client["callback-service"]["runs"].find_one({"_id": run.id})["lease"]


def test_what_a_worker_delivered_but_did_not_write_down_is_told_again_as_it_was(
    system, new_receiver
):
    """It dies between the receiver's 2xx and its own note of it."""
    task, other = new_task(), new_task()
    receiver = new_receiver(lambda _: [worker.kill() for worker in system.workers] and Answer())
    run = system.client.register(receiver, tasks=[task])
    run.do("pause")
    run.call_back(task, *TESK_SENDS)
    run.do("resume")
    until(lambda: receiver.accepted)
    receiver.answer = lambda _: Answer()
    run.call_back(other, "RUNNING")
    system.worker.start()
    receiver.until_told(other, "RUNNING")
    first, second = receiver.accepted[:2]
    assert first.webhook_id == second.webhook_id
    assert first.updates == second.updates
    assert [told.state for told in first.updates] == TESK_MEANS
    assert_repeats_are_exact(receiver)


def test_without_any_worker_callbacks_are_taken_and_told_when_one_comes(system, receiver):
    task, run = new_task(), system.client.register(receiver)
    for worker in system.workers:
        worker.kill()
    run.call_back(task, *TESK_SENDS)
    system.worker.start()
    receiver.until_told(task, *TESK_MEANS)
    assert_repeats_are_exact(receiver)
