"""The command as it is typed."""

import subprocess
import sys

from tests.embedded.conftest import bare_environ

UP = "import typer; from callback_service.entrypoints.cli.up import up; typer.run(up)"


def type_up(*arguments):
    command = [sys.executable, "-c", UP, *arguments]
    environ = {**bare_environ(), "COLUMNS": "40"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_a_refusal_is_one_line_however_narrow_the_terminal(tmp_path):
    ended = type_up("--no-auth", "--host", "0.0.0.0", "--data", str(tmp_path))  # noqa: S104
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("Error: ")


def test_an_impossible_port_is_refused():
    assert type_up("--port", "70000").returncode == 2
