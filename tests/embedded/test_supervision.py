"""What becomes of the processes when one of them dies, and when `up` is stopped or killed."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.embedded.conftest import until

ALL = ("api", "worker", "database")


def started(up):
    return {note["name"] for note in up.notes("started")} == set(ALL)


@pytest.fixture
def running(up):
    up.start().until_ready()
    until(lambda: started(up))
    return up


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_everything_in_order(running, number):
    running.process.send_signal(number)
    assert running.end() == 0
    assert [note["name"] for note in running.notes("stopped")] == list(ALL)
    assert running.left() == []
    first, last = running.complained.splitlines()
    assert first.startswith("Stopping; ")
    assert last == "Stopped."


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(up):
    up.start(environ={"STUB_STUBBORN": "api"}).until_ready()
    until(lambda: started(up))
    begun = time.monotonic()
    assert up.interrupt() == 0
    assert 12 < time.monotonic() - begun < 17
    assert [note["name"] for note in up.notes("stopped")] == ["worker", "database"]
    assert up.left() == []


def test_a_second_ctrl_c_does_not_wait(up):
    up.start(environ={"STUB_STUBBORN": "api"}).until_ready()
    up.process.send_signal(signal.SIGINT)
    time.sleep(0.7)
    up.process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert up.end() == 130
    assert time.monotonic() - begun < 2
    assert up.left() == []


def test_one_ctrl_c_that_arrives_twice_is_one(running):
    """The terminal and `make` both pass it on."""
    running.process.send_signal(signal.SIGINT)
    assert running.interrupt() == 0
    assert [note["name"] for note in running.notes("stopped")] == list(ALL)


def test_kill_9_of_up_leaves_nothing(running):
    assert len(running.left()) > len(ALL)
    running.process.kill()
    running.end()
    until(lambda: running.left() == [], within=5)


def test_kill_9_of_up_while_it_starts_leaves_nothing(up):
    up.start()
    until(lambda: up.notes("started"))
    up.process.kill()
    up.end()
    until(lambda: up.left() == [], within=5)


def test_kill_9_of_up_and_its_watchers_leaves_no_database(running):
    """As `pkill -9 -f callback` does. Without watchers, Linux alone ends what `up` started."""
    commands = {pid for name in ALL for pid in running.pids(name)}
    watchers = [pid for pid in running.left() if is_watcher(pid)]
    assert len(watchers) == len(commands)
    for pid in [*watchers, running.process.pid]:
        os.kill(pid, signal.SIGKILL)
    running.end()
    until(lambda: not commands & set(running.left()), within=5)


def is_watcher(pid):
    return b"tether.py" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_after_kill_9_the_next_up_starts_at_once(running):
    running.process.kill()
    running.start().until_ready()
    assert running.interrupt() == 0


@pytest.mark.parametrize("name", ALL)
def test_a_dead_process_is_started_again(running, name):
    (pid,) = running.pids(name)
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(running.pids(name)) == 2)
    assert "ended unexpectedly (killed by SIGKILL)" in running.complained
    assert f"| {name} says hello" in running.complained
    assert running.interrupt() == 0


def test_what_a_dead_process_leaves_goes_before_it_is_started_again(running):
    """Otherwise workers of a killed gunicorn would hold the port."""
    (pid,) = running.pids("api")
    grandchildren = [each for each in running.left() if parent_of(each) == pid]
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(running.pids("api")) == 2)
    assert len(grandchildren) == 2, "the watcher and the hanging one"
    assert not set(grandchildren) & set(running.left())


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_process_that_keeps_dying_ends_it_all(up):
    up.start(environ={"STUB_DIES": "worker"})
    assert up.end() == 1
    assert len(up.pids("worker")) == 5
    assert "The worker died 5 times in quick succession" in up.complained
    assert str(up.data / "logs" / "worker.log") in up.complained
    assert up.left() == []


def test_a_stop_before_it_is_ready_is_no_error(up):
    up.start(environ={"STUB_DIES": "api"})
    until(lambda: up.notes("started"))
    assert up.interrupt() == 0
    assert up.left() == []
