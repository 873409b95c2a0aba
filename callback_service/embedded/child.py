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

_TETHER = Path(__file__).with_name("tether.py")
_LOG_LIMIT = 10_000_000


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. Commands of one `stage` are stopped together, lower stages first."""

    name: str
    line: tuple[str, ...]
    log: Path
    environ: Mapping[str, str]
    stage: int
    grace: float


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
        self.bound_log()
        # A session of its own: Ctrl-C at the terminal reaches only us, and we stop it in its turn.
        # Appending, so that what is written after the file was cut begins at its start again.
        with open(self.command.log, "ab", opener=_private) as log:
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

    def last_lines(self, count: int = 10) -> list[str]:
        with self.command.log.open("rb") as log:
            log.seek(max(0, self.command.log.stat().st_size - 4096))
            return log.read().decode(errors="replace").splitlines()[-count:]

    def bound_log(self) -> None:
        """Keep at most two pieces of the log. The process keeps its file: it is copied and cut."""
        log = self.command.log
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            shutil.copy2(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    return f"killed by {signal.Signals(-status).name}"
