"""A TES server that has the client's sender, against the real service."""

import threading
import time

import pytest
from callback_client import Sender

from tests.e2e.conditions import until
from tests.e2e.system import TESK_MEANS, TESK_SENDS, new_task


@pytest.fixture(scope="module")
def broker():
    return "folder"


def states_of(task, client):
    return [move["state"] for move in client.get(f"/v1/tasks/default/{task}")["history"]]


def test_no_state_is_missing_though_the_api_is_started_again_meanwhile(system, caplog):
    run = system.client.register()
    tasks = [new_task() for _ in range(30)]
    ended = threading.Event()

    def start_again_and_again():
        while not ended.wait(0.5):
            system.api.end()
            system.api.start()
            system.until_ready()

    trouble = threading.Thread(target=start_again_and_again)
    trouble.start()
    slowest = 0.0
    with Sender(run.callback_url, run.secret, linger=60) as sender:
        try:
            for state in TESK_SENDS:
                for task in tasks:
                    before = time.monotonic()
                    assert sender.send(task, state)
                    slowest = max(slowest, time.monotonic() - before)
                # The task does something meanwhile.
                time.sleep(1)
        finally:
            ended.set()
            trouble.join()
        assert sender.flush(60)
        assert sender.counts.given_up == 0
    assert "sender.interrupted" in caplog.text
    assert slowest < 1
    for task in tasks:
        assert states_of(task, system.client) == TESK_MEANS


def test_a_receiver_is_told_what_was_sent_while_the_service_was_away(system, receiver):
    run, task = system.client.register(receiver), new_task()
    system.api.end()
    with Sender(run.callback_url, linger=60) as sender:
        for state in TESK_SENDS:
            assert sender.send(task, state)
        assert not sender.flush(1)
        system.revive()
    assert sender.counts.given_up == 0
    receiver.until_told(task, *TESK_MEANS)


def test_a_run_that_has_ended_is_not_told_and_the_sender_says_so(system, caplog):
    run, task = system.client.register(), new_task()
    run.delete()
    with Sender(run.callback_url) as sender:
        sender.send(task, "COMPLETE")
    until(lambda: sender.counts == (0, 0, 1, 0))
    assert "sender.gave_up" in caplog.text
    assert ": no run has this callback URL" in caplog.text
    assert f"{task} COMPLETE" in caplog.text
    assert run.callback_url.rsplit("/", 1)[-1] not in caplog.text
