"""A program that ends tells first what it has to tell, and waits no longer for it than was said."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import callback_client
import pytest

from client.tests.fake_listener import FakeListener, Reply

STATES = ["INITIALIZING", "QUEUED", "RUNNING", "COMPLETE"]
# For an interpreter to start and to end on a busy machine.
SLACK = 5.0

PROGRAM = """
import atexit, os, signal, sys, threading, time
from callback_client import Sender
url, linger = sys.argv[1], float(sys.argv[2])
sender = Sender(url, linger=linger)
def send_all():
    for state in {states!r}:
        sender.send("job-1", state)
"""


@pytest.fixture
def listener():
    with FakeListener() as fake:
        yield fake


@pytest.fixture
def start():
    """Starts a program that has a sender, with what it does besides."""
    programs = []

    def start(listener, does, linger=20):
        # The client that is tested, be it installed or not, and nothing of the test's own.
        path = str(Path(callback_client.__file__).parents[1])
        environ = {**os.environ, "PYTHONPATH": path, "NO_PROXY": "127.0.0.1"}
        command = [sys.executable, "-c", PROGRAM.format(states=STATES) + does]
        program = subprocess.Popen(
            [*command, listener.url, str(linger)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.kill()
        program.communicate()


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("send_all()", 0),
        ("send_all(); sys.exit(3)", 3),
        ("send_all(); raise RuntimeError", 1),
        ("with sender: send_all()", 0),
        ("t = threading.Thread(target=send_all); t.start()", 0),
        # What is registered later runs earlier.
        ("sender.send('job-0', 'RUNNING'); atexit.register(send_all)", 0),
        # Newer Pythons begin no thread then.
        ("atexit.register(send_all)", 0),
        ("signal.signal(15, lambda *_: sys.exit(4)); send_all(); os.kill(os.getpid(), 15)", 4),
    ],
)
def test_all_is_told_however_it_ends(listener, start, ending, code):
    program = start(listener, ending)
    _, said = program.communicate(timeout=30)
    assert program.returncode == code, said
    assert listener.states("job-1") == STATES


def test_it_waits_for_a_listener_that_comes_back(listener, start):
    listener.stop()
    program = start(listener, "send_all(); print(flush=True)")
    program.stdout.readline()
    time.sleep(0.5)
    assert program.poll() is None
    listener.start()
    _, said = program.communicate(timeout=30)
    assert program.returncode == 0, said
    assert listener.states("job-1") == STATES


@pytest.mark.parametrize("trouble", ["hangs", "is away", "is busy"])
def test_it_waits_no_longer_than_was_said_and_names_what_it_gives_up(listener, start, trouble):
    if trouble == "hangs":
        listener.hang()
    elif trouble == "is away":
        listener.stop()
    else:
        listener.reply = lambda _task, _state: Reply(503, {"Retry-After": "3600"})
    program = start(listener, "send_all(); print(flush=True)", linger=1)
    program.stdout.readline()
    before = time.monotonic()
    _, said = program.communicate(timeout=30)
    assert 0.9 < time.monotonic() - before < 1 + SLACK
    assert program.returncode == 0
    # Nobody set up logging in this program: Python shows warnings all the same.
    assert "not told in time: " + ", ".join(f"job-1 {state}" for state in STATES) in said


def test_many_senders_share_the_time(listener, start):
    listener.hang()
    program = start(
        listener,
        "senders = [Sender(url, linger=linger) for _ in range(20)]\n"
        "for n, one in enumerate(senders): one.send(f'job-{n}', 'COMPLETE')\n"
        "print(flush=True)",
        linger=1,
    )
    program.stdout.readline()
    before = time.monotonic()
    _, said = program.communicate(timeout=60)
    assert time.monotonic() - before < 1 + SLACK
    assert said.count("not told in time") == 20


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing dies so here")
def test_a_second_ctrl_c_ends_the_waiting(listener, start):
    listener.hang()
    program = start(
        listener,
        "send_all()\n"
        "try:\n"
        "    print(flush=True)\n"
        "    time.sleep(60)\n"
        "finally:\n"
        "    print(flush=True)\n"
        "    sender.close()\n",
        linger=60,
    )
    program.stdout.readline()
    program.send_signal(signal.SIGINT)
    program.stdout.readline()
    time.sleep(0.3)
    before = time.monotonic()
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=30)
    assert time.monotonic() - before < SLACK
    assert "not told in time: job-1 INITIALIZING" in said
