"""Commands may be started in any folder, whatever Python files lie there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from callback_service.embedded.stack import Programs

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    for name in ("celery", "html", "typer", "yaml"):
        tmp_path.joinpath(f"{name}.py").write_text("raise SystemExit('the file in the folder')\n")
    return tmp_path


def start(folder, *command):
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "CALLBACK_CONFIG": "nowhere.yaml"}
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("name", ["serve", "worker"])
def test_the_processes_import_nothing_from_the_folder(folder, name):
    ended = start(folder, sys.executable, "-P", "-m", "callback_service", name)
    assert "the file in the folder" not in ended.stderr
    assert (ended.returncode, "nowhere.yaml" in ended.stderr) == (2, True), ended.stderr


def test_nor_does_what_up_starts(folder):
    ended = start(folder, *Programs().worker, "--help")
    assert ended.returncode == 0, ended.stderr
