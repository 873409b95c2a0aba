"""What has not ended is canceled, once each, whatever the server says to some of it."""

import logging
import os
import threading

import pytest
from callback_client.unfinished import Unfinished


class FakeTes:
    def __init__(self, url="http://127.0.0.1:8000", refused=()):
        self.url = url
        self.canceled = []
        self._refused = refused

    def cancel_task(self, task_id):
        if task_id in self._refused:
            raise RuntimeError("it has ended")
        self.canceled.append(task_id)


def test_what_has_ended_is_left_alone():
    tes, unfinished = FakeTes(), Unfinished()
    for number in range(20):
        unfinished.add(tes, f"job-{number}")
    unfinished.drop(tes, "job-3")
    unfinished.drop(tes, "job-of-nobody")
    unfinished.cancel()
    unfinished.cancel()
    assert sorted(tes.canceled) == sorted(f"job-{n}" for n in range(20) if n != 3)


def test_a_refusal_is_logged_and_no_reason_to_leave_the_others(caplog):
    tes, unfinished = FakeTes(refused=["job-0"]), Unfinished()
    for number in range(3):
        unfinished.add(tes, f"job-{number}")
    with caplog.at_level(logging.WARNING):
        unfinished.cancel()
    assert sorted(tes.canceled) == ["job-1", "job-2"]
    assert "canceling 3 remote task(s)" in caplog.text
    assert "job-0" in caplog.text


def test_the_same_id_at_two_servers_is_two_tasks():
    here, there, unfinished = FakeTes(), FakeTes("http://127.0.0.1:8001"), Unfinished()
    unfinished.add(here, "job-1")
    unfinished.add(there, "job-1")
    unfinished.cancel()
    assert here.canceled == there.canceled == ["job-1"]


def test_what_is_submitted_at_the_last_moment_is_canceled_too():
    tes, unfinished = FakeTes(), Unfinished()
    unfinished.cancel()
    late = threading.Thread(target=unfinished.add, args=(tes, "job-1"))
    late.start()
    late.join()
    assert tes.canceled == ["job-1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_cancels_its_own_only():
    tes, unfinished = FakeTes(), Unfinished()
    unfinished.add(tes, "job-of-the-parent")
    child = os.fork()
    if child == 0:
        unfinished.add(tes, "job-of-the-child")
        unfinished.cancel()
        os._exit(0 if tes.canceled == ["job-of-the-child"] else 1)
    assert os.waitpid(child, 0) == (child, 0)
    unfinished.cancel()
    assert tes.canceled == ["job-of-the-parent"]
