import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.adapters.cwl_wes import CwlWes
from tests.docs.markdown import REPOSITORY, blocks
from tests.docs.shell import Shell
from tests.engines import snakemake, toil
from tests.engines.clients import NEW, installed
from tests.engines.cwl_tes import WORKFLOW, cwl_tes, write_job
from tests.ports import free_port
from tests.services import embedded_database, missing, mongo_uri_at

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

    Documents say 8000, 8080 and 9000; what is meant here are free ports.
    """
    with _reader(tmp_path_factory.mktemp("reader")) as shell:
        yield shell


@pytest.fixture(scope="session")
def shell_with_a_tes_server(tmp_path_factory):
    """The same beside `tes-sim` and `up --tes`."""
    with _beside_tes_sim(tmp_path_factory.mktemp("reader")) as shell:
        yield shell


@pytest.fixture(scope="session")
def shell_with_py_tes(shell_with_a_tes_server):
    """The same with a `python` that has py-tes and the client."""
    shell, python = shell_with_a_tes_server, installed(NEW)
    path = f"{python.parent}{os.pathsep}{shell.environ['PATH']}"
    return replace(
        shell, environ={**shell.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY / "client")}
    )


@pytest.fixture(scope="session")
def shell_with_cwl_tes(tmp_path_factory):
    """Beside a `tes-sim` that executes tasks; cwl-tes is installed, and has something to run."""
    folder, program = tmp_path_factory.mktemp("reader"), cwl_tes()
    shutil.copytree(WORKFLOW.parent, folder, dirs_exist_ok=True)
    write_job(folder, tasks=3, seconds=1)
    with _beside_tes_sim(folder, "--execute", str(folder / "tasks")) as shell:
        path = f"{shell.environ['PATH']}{os.pathsep}{program.parent}"
        yield replace(shell, environ={**shell.environ, "PATH": path})


@pytest.fixture(scope="session")
def shell_with_snakemake(tmp_path_factory):
    """Beside a `tes-sim` that executes tasks; Snakemake is installed, and has something to run."""
    folder = tmp_path_factory.mktemp("reader")
    environ = snakemake.prepared(folder, words=1)
    with _beside_tes_sim(folder, "--execute", str(folder / "tasks")) as shell:
        path = f"{shell.environ['PATH']}{os.pathsep}{environ['PATH']}"
        yield replace(shell, environ={**shell.environ, **environ, "PATH": path})


@pytest.fixture(scope="session")
def shell_with_toil(tmp_path_factory):
    """Beside a `tes-sim` that executes tasks; Toil is installed, and has something to run."""
    folder = tmp_path_factory.mktemp("reader")
    path = {"PATH": f"{toil.toil()}{os.pathsep}{clean_environ()['PATH']}"}
    environ = {**toil.prepared(folder), **path}
    with _beside_tes_sim(folder, "--execute", str(folder / "tasks"), environ=path) as shell:
        yield replace(shell, environ={**shell.environ, **environ})


@pytest.fixture(scope="session")
def shell_with_cwl_wes(tmp_path_factory):
    """The same beside the database of a cwl-WES that has just begun a run."""
    folder, port = tmp_path_factory.mktemp("reader"), free_port()
    with (
        embedded_database(tmp_path_factory.mktemp("cwl-wes"), port),
        MongoClient(mongo_uri_at(port)) as client,
    ):
        CwlWes(client["cwl-wes-db"]["runs"]).create("QUEUED")
        ((_, settings),) = blocks(REPOSITORY / "docs/integrations/cwl-wes.md", "yaml")
        (folder / "own.yaml").write_text(settings)
        environ = {"CALLBACK_CONFIG": "own.yaml", "CWL_WES_MONGO_URI": mongo_uri_at(port)}
        with _reader(folder, environ=environ, ports={"27017": str(port)}) as shell:
            yield shell


@contextmanager
def _beside_tes_sim(folder, *options, environ=None):
    port = free_port()
    tes_sim = ("tes-sim", "--port", str(port), *options)
    with (
        _started(folder, *tes_sim, until="until Ctrl-C", environ=environ),
        _reader(folder, "--tes", f"http://127.0.0.1:{port}", tes_server=port) as shell,
    ):
        yield shell


@contextmanager
def _reader(folder, *options, tes_server=None, environ=None, ports=None):
    for program in ("bash", "curl", "secantusd-py"):
        if shutil.which(program, path=clean_environ()["PATH"]) is None:
            missing(program)
    # Where the checkout's commands are: documents name them from its top.
    (folder / ".venv").symlink_to(BIN.parent)
    port, receiver = free_port(), free_port()
    up = ("up", "--port", str(port), *options)
    with _started(folder, *up, until="is ready", environ=environ):
        variables = {**clean_environ(), "CALLBACK_SERVICE_URL": f"http://127.0.0.1:{port}"}
        ours = {"8000": tes_server or free_port(), "8080": port, "9000": receiver}
        meant = {written: str(number) for written, number in ours.items()} | (ports or {})
        yield Shell(folder, variables, meant)


@contextmanager
def _started(folder, *command, until, environ=None):
    out = folder / f"{command[0]}.out"
    with out.open("wb") as file:
        process = subprocess.Popen(
            ["callback-service", *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=folder,
            env={**clean_environ(), **(environ or {})},
        )
    try:
        _wait_for(until, process, out)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(sentence, process, out):
    deadline = time.monotonic() + READY_WITHIN
    while sentence not in out.read_text():
        assert process.poll() is None, out.read_text()
        assert time.monotonic() < deadline, out.read_text()
        time.sleep(0.05)
