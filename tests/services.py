"""The real services that tests need: the one that the environment names, or one started here."""

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tests.ports import free_port

STARTING = 30.0


def missing(service: str) -> NoReturn:
    """Without a service its tests are skipped, but not where all of them must have run."""
    if os.environ.get("CI"):
        pytest.fail(f"{service} is missing, and CI is set")
    pytest.skip(f"{service} is missing")


@contextmanager
def embedded_database(storage: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The database of `callback-service up`, reachable within the `with`."""
    beside = Path(sys.executable).parent
    program = shutil.which("secantusd-py", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        missing("a database (MONGO_URI, or the package secantusdb)")
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--storage-path", str(storage)]
    # As `up` runs it: without change streams, which tire it after some thousand writes.
    command = [program, *arguments, "--standalone", "--log-level", "ERROR"]
    # No configuration of whoever runs the tests.
    with subprocess.Popen(command, cwd=storage) as process:
        try:
            _wait_for(mongo_uri_at(port), process)
            yield process
        finally:
            process.terminate()


def mongo_uri_at(port: int) -> str:
    return f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=2000"


def _wait_for(uri: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTING
    with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=200) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.admin.command("ping")
            except PyMongoError:
                time.sleep(0.05)
            else:
                return
    pytest.fail(f"the database did not start: {process.poll()=}")


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database server; everything in it belongs to somebody, so use `mongo_database`."""
    if given := os.environ.get("MONGO_URI"):
        yield given
        return
    port = free_port()
    with embedded_database(tmp_path_factory.mktemp("mongo"), port):
        yield mongo_uri_at(port)


@pytest.fixture(scope="session")
def mongo_client(mongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client


@pytest.fixture
def mongo_database(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    """An empty database of the test's own; `.name` is what a process that it starts is told."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield mongo_client[name]
    mongo_client.drop_database(name)
