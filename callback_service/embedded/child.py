"""One process of the service: started with a tether, its output in a file, stopped as a group."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from callback_service.embedded.log import Log

_TETHER = Path(__file__).with_name("tether.py")


@dataclass(frozen=True, slots=True)
class Room:
    """Space on the disk that a process needs to start again."""

    folder: Path
    mebibytes: int

    def is_there(self) -> bool:
        return shutil.disk_usage(self.folder).free >= self.mebibytes * 2**20


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. Commands of one `stage` are stopped together, lower stages first.

    `last_words`: once its log says them it runs, but will never do anything again.
    """

    name: str
    line: tuple[str, ...]
    log: Path
    environ: Mapping[str, str]
    stage: int
    grace: float
    last_words: bytes = b""
    room: Room | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a command that keeps dying is started again; times in seconds."""

    quick: float = 10.0
    quick_deaths: int = 5
    first_pause: float = 0.25

    def pause_after(self, quick_deaths: int) -> float:
        return self.first_pause * float(2 ** max(0, quick_deaths - 1))


@contextmanager
def tether() -> Iterator[int]:
    """The end of a pipe that children watch; the other end closes with this process."""
    watched, held = os.pipe()
    try:
        yield watched
    finally:
        os.close(held)
        os.close(watched)


class Child:
    def __init__(self, command: Command, pipe: int, patience: Patience) -> None:
        self.command = command
        self.quick_deaths = 0
        self.restart_at: float | None = None
        self.log = Log(command.log)
        self._pipe = pipe
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self.restart_at = None
        # A session of its own: Ctrl-C at the terminal reaches only us, and we stop it in its turn.
        with self.log.begin() as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_TETHER), str(self._pipe), *self.command.line],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.command.environ,
                pass_fds=[self._pipe],
                start_new_session=True,
            )
        self._started_at = time.monotonic()

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def bury(self) -> str:
        """Take note of a death: what is left of the group goes too, and a restart is due."""
        status = self._process.returncode if self._process else 0
        self.kill()
        self._process = None
        lived = time.monotonic() - self._started_at
        self.quick_deaths = self.quick_deaths + 1 if lived < self._patience.quick else 0
        self.restart_at = time.monotonic() + self._patience.pause_after(self.quick_deaths)
        return _how_it_ended(status)

    def is_hopeless(self) -> bool:
        return self.quick_deaths >= self._patience.quick_deaths

    def has_died(self) -> bool:
        return self._process is not None and not self.is_alive()

    def has_said_its_last(self) -> bool:
        words = self.command.last_words
        return bool(words) and self.is_alive() and self.log.has_come_to_say(words)

    def has_room(self) -> bool:
        return self.command.room is None or self.command.room.is_there()

    def terminate(self) -> None:
        if self._process:
            # Not the group: gunicorn and Celery tell their own what to do.
            self._process.terminate()

    def kill(self) -> None:
        """End the whole group, the watcher of the tether included."""
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    return f"killed by {signal.Signals(-status).name}"
