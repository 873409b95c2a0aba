"""A wall clock that is set here is what a running process sees, and nothing else of it changes."""

import json
import os
import subprocess
import sys

import pytest

from tests.faults.wall_clocks import WallClocks

# Each line that it reads is a question.
PROGRAM = """
import datetime, json, sys, threading, time
for _ in sys.stdin:
    time.sleep(0.01), threading.Event().wait(0.01)
    now = datetime.datetime.now(datetime.UTC).timestamp()
    print(json.dumps([time.time(), now, time.monotonic()]), flush=True)
"""
HOUR = 3600


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_a_running_process_has_its_wall_clock_set_and_no_other(tmp_path, ahead):
    clocks = WallClocks(tmp_path)
    environ = {**os.environ, **clocks.environ_of("one")}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask():
            process.stdin.write("\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        before = ask()
        assert clocks.is_in(process.pid)
        clocks.set(ahead, "one")
        after = ask()
        clocks.set(0, "one")
        again = ask()
        process.stdin.close()
    assert [round((b - a) / 60) for a, b in zip(before, after, strict=True)] == [
        ahead / 60,
        ahead / 60,
        0,
    ]
    assert again[0] - before[0] == pytest.approx(again[2] - before[2], abs=0.5)
