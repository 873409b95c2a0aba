import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests import ports

RUN_SESSION = Path(__file__).with_name("run_session.py")
REPOSITORY = Path(__file__).parents[2]


class Up:
    """An `up` as a process, and everything that can be seen of it from outside."""

    def __init__(self, folder, port, marker):
        self.folder = folder
        self.data = folder / "data"
        self.port = port
        self.marker = marker
        self.notes_file = folder / "notes"
        self.process = None

    def start(self, *stubs, environ=(), **options):
        wishes = {"data": str(self.data), "port": self.port, **options}
        stubs = stubs or ("database",)
        self.process = subprocess.Popen(
            [sys.executable, RUN_SESSION, self.notes_file, ",".join(stubs), json.dumps(wishes)],
            stdout=(self.folder / "out").open("wb"),
            stderr=(self.folder / "err").open("wb"),
            env={**bare_environ(), "UP_MARKER": self.marker, **dict(environ)},
            cwd=self.folder,
        )
        return self

    def until_ready(self):
        until(lambda: "is ready" in self.said or self.process.poll() is not None)
        assert "is ready" in self.said, self.complained
        return self

    @property
    def said(self):
        return (self.folder / "out").read_text()

    @property
    def complained(self):
        return (self.folder / "err").read_text()

    def notes(self, what):
        lines = self.notes_file.read_text().splitlines() if self.notes_file.exists() else []
        return [note for line in lines if (note := json.loads(line))["what"] == what]

    def until_started(self, name, count=1):
        until(lambda: len(self.pids(name)) == count)

    def pids(self, name):
        return [note["pid"] for note in self.notes("started") if note["name"] == name]

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self):
        return self.process.wait(timeout=30)

    def left(self):
        """Everything that still runs and was started by this `up`, however indirectly."""
        return [pid for pid in all_pids() if self.marker.encode() in environ_of(pid)]


def bare_environ():
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("CALLBACK_", "CELERY_", "MONGO_"))
    }
    return {**kept, "PYTHONPATH": str(REPOSITORY)}


def all_pids():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def environ_of(pid):
    """Empty for one that has ended and for one that is another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def until(holds, within=20):
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def free_port():
    return ports.free_port()


@pytest.fixture
def up(tmp_path, free_port):
    one = Up(tmp_path, free_port, uuid.uuid4().hex)
    yield one
    for pid in one.left():
        os.kill(pid, signal.SIGKILL)
