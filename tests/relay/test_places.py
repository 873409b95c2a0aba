"""Polls run beside each other, so many at once, and keep nobody waiting."""

import subprocess
import sys
import threading

from callback_service.relay.reconcile.places import Places


def test_who_finds_no_place_is_told_so_and_finds_one_when_another_has_ended():
    places, go_on, began = Places(2), threading.Event(), threading.Semaphore(0)

    def work():
        began.release()
        go_on.wait(30)

    assert places.start(work)
    assert places.start(work)
    assert began.acquire(timeout=30)
    assert began.acquire(timeout=30)
    assert not places.start(work)
    go_on.set()
    while not places.start(began.release):
        pass
    assert began.acquire(timeout=30)


def test_work_that_fails_leaves_its_place(monkeypatch):
    failures = []
    monkeypatch.setattr(threading, "excepthook", lambda args: failures.append(args.exc_type))
    places = Places(1)
    assert places.start(lambda: 1 / 0)
    while not places.start(lambda: None):
        pass
    assert failures == [ZeroDivisionError]


def test_work_that_hangs_does_not_keep_the_process_alive():
    program = """
import threading
from callback_service.relay.reconcile.places import Places
began = threading.Event()
Places(1).start(lambda: (began.set(), threading.Event().wait()))
began.wait()
"""
    subprocess.run([sys.executable, "-c", program], timeout=30, check=True)
