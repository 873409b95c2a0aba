import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from callback_service.entrypoints.cli import build
from tests.fakes.http_service import TOKEN, HttpService

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def service() -> Iterator[HttpService]:
    with HttpService() as running:
        yield running


@pytest.fixture
def environ(service, tmp_path) -> dict[str, str]:
    """That of somebody who has said once which service they mean."""
    return {
        "CALLBACK_SERVICE_URL": service.url,
        "CALLBACK_API_TOKEN": TOKEN,
        "CALLBACK_DATA": str(tmp_path / "data"),
    }


@pytest.fixture
def cli(environ) -> Callable[..., Result]:
    """Runs a command in this process, on the fake service."""

    def run(*arguments: str, **more: Any) -> Result:
        env = {**environ, **more.pop("env", {})}
        return CliRunner().invoke(build(), arguments, env=env, **more)

    return run


class Process:
    """A command as a process of its own, as a shell starts it."""

    def __init__(self, arguments: tuple[str, ...], environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "callback_service", *arguments],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_line(self) -> str:
        return self._process.stdout.readline()

    def read_complaint(self) -> str:
        return self._process.stderr.readline()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self, patience: float = 30) -> tuple[int, str, str]:
        """Exit code, and what is left to read of stdout and stderr."""
        out, err = self._process.communicate(timeout=patience)
        return self._process.returncode, out, err

    def remove(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(environ) -> Iterator[Callable[..., Process]]:
    started = []

    def start(*arguments: str) -> Process:
        started.append(Process(arguments, environ))
        return started[-1]

    yield start
    for process in started:
        process.remove()


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    def wait(happens: Callable[[], Any], patience: float = 10) -> Any:
        deadline = time.monotonic() + patience
        while not (found := happens()):
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)
        return found

    return wait
