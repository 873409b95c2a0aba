import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from callback_service.embedded.ports import pick_free
from tests.docs.shell import Shell
from tests.services import missing

BIN = Path(sys.executable).parent
READY_WITHIN = 60.0


def clean_environ():
    """Nothing of whoever runs the tests decides what the service does."""
    ours = ("CALLBACK_", "CELERY_", "MONGO_", "FOCA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PATH": f"{BIN}{os.pathsep}{kept['PATH']}"}


@pytest.fixture(scope="session")
def shell(tmp_path_factory):
    """A shell in the folder in which `callback-service up` was started, as a reader's is.

    Documents say 8080 and 9000; what is meant here are free ports.
    """
    for program in ("bash", "curl", "secantusd-py"):
        if shutil.which(program, path=clean_environ()["PATH"]) is None:
            missing(program)
    folder = tmp_path_factory.mktemp("reader")
    # Where the checkout's commands are: documents name them from its top.
    (folder / ".venv").symlink_to(BIN.parent)
    port, receiver = pick_free(), pick_free()
    service = _start(folder, port)
    try:
        _wait_for(service, folder / "up.out")
        environ = {**clean_environ(), "CALLBACK_SERVICE_URL": f"http://127.0.0.1:{port}"}
        yield Shell(folder, environ, {"8080": str(port), "9000": str(receiver)})
    finally:
        service.terminate()
        service.wait(30)


def _start(folder, port):
    with (folder / "up.out").open("wb") as out:
        return subprocess.Popen(
            ["callback-service", "up", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env=clean_environ(),
        )


def _wait_for(service, out):
    deadline = time.monotonic() + READY_WITHIN
    while "is ready" not in out.read_text():
        assert service.poll() is None, out.read_text()
        assert time.monotonic() < deadline, out.read_text()
        time.sleep(0.05)
