"""`runs watch` on a terminal: a picture that changes, and that stays as it was in the end."""

import json
import signal

import pytest

from tests.cli.terminal import Terminal
from tests.cli.test_watch import call_back

LONG = "x" * 512


@pytest.fixture
def run(cli):
    return json.loads(cli("runs", "register", "--name", "align", "--task", "t2", "--json").stdout)


@pytest.fixture
def watch(environ, run):
    started = []

    def start(*options, **size):
        more = size.pop("env", {})
        started.append(
            Terminal(("runs", "watch", run["id"], *options), {**environ, **more}, **size)
        )
        return started[-1]

    yield start
    for terminal in started:
        terminal.remove()


def test_the_picture_moves_until_all_have_ended_and_stays(watch, run):
    call_back(run, "t1", "RUNNING")
    terminal = watch()
    terminal.until_shown("t1")
    call_back(run, "t1", "COMPLETE")
    terminal.until_shown("1 of 2 have ended")
    call_back(run, "t2", "RUNNING", "COMPLETE")
    assert terminal.end() == 0
    assert terminal.left.count("align") == 1
    assert "2 of 2 have ended" in terminal.left
    assert "All have ended, after" in terminal.left


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_interrupts_it_keeps_what_was_seen(watch, run, number, code):
    call_back(run, "t1", "COMPLETE")
    terminal = watch()
    terminal.until_shown("1 of 2 have ended")
    terminal.send_signal(number)
    assert terminal.end() == code
    assert "1 of 2 have ended" in terminal.left
    assert "Traceback" not in terminal.shown
    assert "\x1b[?25h" in terminal.raw.rpartition("\x1b[?25l")[2], "the cursor is hidden"


def test_it_is_drawn_anew_for_another_window(watch, run):
    call_back(run, LONG, "RUNNING")
    terminal = watch()
    terminal.until_shown("xxx")
    terminal.resize(40, 12)
    terminal.until_shown("tasks  ━")
    terminal.until_shown("0 of 2\r\n")
    assert max(map(len, terminal.last_frame.splitlines())) <= 40
    call_back(run, LONG, "COMPLETE")
    call_back(run, "t2", "COMPLETE")
    assert terminal.end() == 0
    assert max(map(len, terminal.left.splitlines())) <= 40


def test_without_colours_it_has_none(watch, run):
    call_back(run, "t1", "COMPLETE")
    terminal = watch(env={"NO_COLOR": "1"})
    terminal.until_shown("1 of 2 have ended")
    call_back(run, "t2", "SYSTEM_ERROR")
    assert terminal.end() == 1
    assert "\x1b[3" not in terminal.raw


def test_a_terminal_that_can_only_write_gets_lines(watch, run):
    call_back(run, "t1", "COMPLETE")
    call_back(run, "t2", "COMPLETE")
    terminal = watch(env={"TERM": "dumb"})
    assert terminal.end() == 0
    assert terminal.raw.endswith("All have ended: 2 tasks.\r\n")
    assert "\x1b" not in terminal.raw
