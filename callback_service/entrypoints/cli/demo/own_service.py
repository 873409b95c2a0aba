"""A service for the demonstration alone: `up` in a temporary folder, gone with it."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from callback_service.embedded import ports
from callback_service.embedded.child import Child, Command, Patience, tether
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode
from callback_service.entrypoints.cli.service_client import ServiceClient, Unavailable, connect

_READY_WITHIN = 60.0
_STOPPED_WITHIN = 30.0
# What would lead it to somebody's database, broker or tokens.
_NOT_PASSED_ON = ("MONGO_", "CELERY_", "CALLBACK_", "FOCA_")


@contextmanager
def own_service() -> Iterator[ServiceClient]:
    """Started from the main thread only: the child dies with the thread that started it."""
    # Where the database did not stop in time, it may still write into the folder.
    with (
        TemporaryDirectory(prefix="callback-demo-", ignore_cleanup_errors=True) as folder,
        tether() as pipe,
    ):
        data, port = Path(folder) / "data", ports.pick_free()
        child = Child(_command(data, port, Path(folder) / "up.log"), pipe, Patience())
        child.start()
        try:
            service = connect(ports.url_of("127.0.0.1", port), None, data)
            _wait_until_ready(child, service)
            # The token is there by now.
            yield connect(service.url, None, data)
        finally:
            _stop(child)


def _command(data: Path, port: int, log: Path) -> Command:
    up = (sys.executable, "-P", "-m", "callback_service", "up")
    line = (*up, "--data", str(data), "--port", str(port))
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)
    }
    return Command("service", line, log, environ, stage=1, grace=_STOPPED_WITHIN)


def _wait_until_ready(child: Child, service: ServiceClient) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline:
        if not child.is_alive():
            raise CommandFailed(_why_it_ended(child), ExitCode.WRONG_USE)
        try:
            service.get("/readyz")
        except Unavailable:
            time.sleep(0.1)
        else:
            return
    raise Unavailable(f"The service was not ready within {_READY_WITHIN:.0f} seconds.")


def _why_it_ended(child: Child) -> str:
    *_, sentence = ["it said nothing.", *child.log.last_lines()]
    return f"The service of this demonstration did not start: {sentence}"


def _stop(child: Child) -> None:
    child.terminate()
    deadline = time.monotonic() + _STOPPED_WITHIN
    while child.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    child.kill()
