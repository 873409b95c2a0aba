"""A database that runs and will never do anything again is started again, if there is room."""

import pytest

from callback_service.embedded.child import Child, Command, Patience, Room, tether
from callback_service.embedded.log import Log
from callback_service.embedded.signals import Signals
from callback_service.embedded.supervisor import Supervisor
from tests.embedded.conftest import until

PATIENT = Patience(quick_deaths=100, first_pause=0.01)


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path / "one.log")
    log.begin().close()
    return log


def say(folder, text):
    with (folder / "one.log").open("a") as file:
        file.write(text)


def test_words_are_heard_once(log, tmp_path):
    assert not log.has_come_to_say(b"PANIC")
    say(tmp_path, "it is a PANIC, it says\n")
    assert log.has_come_to_say(b"PANIC")
    say(tmp_path, "and goes on\n")
    assert not log.has_come_to_say(b"PANIC")


def test_words_are_heard_that_were_written_in_two_pieces(log, tmp_path):
    say(tmp_path, "it is a PAN")
    assert not log.has_come_to_say(b"PANIC")
    say(tmp_path, "IC\n")
    assert log.has_come_to_say(b"PANIC")


def test_words_of_an_earlier_life_are_not_its_own(log, tmp_path):
    say(tmp_path, "PANIC\n")
    log.begin().close()
    assert not log.has_come_to_say(b"PANIC")


def test_words_are_heard_after_the_log_was_cut(log, tmp_path):
    say(tmp_path, "x" * 100)
    assert not log.has_come_to_say(b"PANIC")
    (tmp_path / "one.log").write_text("PANIC\n")
    assert log.has_come_to_say(b"PANIC")


def panicking(folder, room):
    line = ("/bin/sh", "-c", f"echo >> {folder / 'starts'}; echo PANIC; sleep 60")
    return Command("one", line, folder / "one.log", {}, 1, 1, b"PANIC", room)


def starts(folder):
    path = folder / "starts"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize(("needed", "is_started"), [(0, True), (10**9, False)])
def test_it_is_started_again_once_there_is_room(tmp_path, needed, is_started):
    said = []
    with tether() as pipe, Signals() as signals:
        child = Child(panicking(tmp_path, Room(tmp_path, needed)), pipe, PATIENT)
        supervisor = Supervisor([child], signals, said.append)
        supervisor.start()
        try:
            until(lambda: starts(tmp_path))
            tries = iter(range(50))
            supervisor.wait_until(lambda: starts(tmp_path) > 1 or next(tries) == 49, within=20)
        finally:
            supervisor.stop()
    assert (starts(tmp_path) > 1) == is_started
    assert ("once there is room" in said[-1]) != is_started
