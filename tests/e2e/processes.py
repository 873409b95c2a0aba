"""The processes of the service, as an operator would start, stop and lose them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import requests
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.e2e.conditions import until
from tests.ports import free_port
from tests.services import missing

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMMAND = (sys.executable, "-m", "callback_service")


def clean_environ():
    """Nothing of whoever runs the tests decides what the service does."""
    ours = ("CALLBACK_", "CELERY_", "MONGO_", "FOCA_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


class Process:
    """A process with children of its own, whose output is kept in a file."""

    def __init__(self, name, line, log, environ):
        self.name = name
        self.log = log
        self._line = line
        self.environ = environ
        self._process = None

    def start(self):
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._line,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**clean_environ(), **self.environ},
                # Tests may run in any folder; gunicorn and Celery look around in theirs.
                cwd=self.log.parent,
                start_new_session=True,
            )

    @property
    def pid(self):
        return self._process.pid

    @property
    def is_alive(self):
        return self._process is not None and self._process.poll() is None

    @property
    def children(self):
        """Its direct children: gunicorn's workers."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in pids]

    def terminate(self, within=30):
        """Ask it to stop, and return its exit code."""
        self._process.terminate()
        return self._process.wait(within)

    def kill(self):
        """What `kill -9` of the one process does; its children learn of it by themselves."""
        self._process.kill()
        self._process.wait()

    def freeze(self):
        """It and its children do nothing any more, and know nothing of it."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self._process.pid, signal.SIGCONT)

    def end(self):
        """Leave nothing of it behind."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Database(Process):
    """The embedded database, on the same port and folder however often it is started."""

    def __init__(self, folder):
        program = shutil.which("secantusd-py", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
        if program is None:
            missing("the embedded database (the package secantusdb)")
        port, storage, settings = free_port(), folder / "db", folder / "db.toml"
        storage.mkdir()
        settings.touch()
        where = ("--host", "127.0.0.1", "--port", str(port), "--storage-path", str(storage))
        how = ("--config", str(settings), "--standalone", "--log-level", "WARNING")
        super().__init__("database", (program, *where, *how), folder / "database.log", {})
        self.port = port
        self.uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"

    @property
    def service_uri(self):
        """Where the service finds it; tests look past whatever is between the two."""
        return self.uri

    def start(self):
        super().start()
        with self.client(serverSelectionTimeoutMS=200) as client:
            until(lambda: self._answers(client), what=self.text)

    def client(self, **options):
        return MongoClient(self.uri, tz_aware=True, **options)

    def _answers(self, client):
        try:
            client.admin.command("ping")
        except PyMongoError:
            assert self.is_alive, self.text()
            return False
        return True


class Api(Process):
    """`callback-service serve`: gunicorn with its workers."""

    def __init__(self, name, folder, environ, workers=1, command=COMMAND):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--workers", str(workers))
        line = (*command, "serve", *where)
        environ = {**environ, "CALLBACK_PUBLIC_URL": self.url}
        super().__init__(name, line, folder / f"{name}.log", environ)

    def until_ready(self):
        until(self.is_ready, what=self.text)

    def is_ready(self):
        assert self.is_alive, self.text()
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False


class Worker(Process):
    """`callback-service worker`."""

    def __init__(self, name, folder, environ, command=COMMAND):
        super().__init__(name, (*command, "worker"), folder / f"{name}.log", environ)
