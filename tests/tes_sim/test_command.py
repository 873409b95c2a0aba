"""`callback-service tes-sim` as a process of its own, as a shell starts it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from callback_service.entrypoints.cli import build
from tests.e2e.conditions import until
from tests.ports import free_port
from tests.tes_sim.running import TES

TOP = Path(__file__).parents[2]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL."""
    command = [sys.executable, "-m", "callback_service", "tes-sim", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            ready = process.stdout.readline()
            yield process, next(word for word in ready.split() if word.startswith("http"))
        finally:
            process.kill()


def test_it_says_where_it_is_and_plays_what_was_asked_for():
    options = ["--profile", "strict", "--finished", "20", "--open", "3", "--token", "t0ken"]
    with started(*options, "--verbose") as (process, url):
        assert requests.get(f"{url}{TES}/tasks", timeout=5).status_code == 401
        shown = {"Authorization": "Bearer t0ken"}
        listed = requests.get(f"{url}{TES}/tasks?state=RUNNING", headers=shown, timeout=5).json()
        assert len(listed["tasks"]) == 3
        assert "GET /ga4gh/tes/v1/tasks status=401" in process.stdout.readline()
        assert "tasks?state=RUNNING status=200" in process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to(number):
    with started() as (process, url):
        with requests.get(f"{url}/v1/tasks", timeout=5) as answer:
            assert answer.ok
        process.send_signal(number)
        assert process.wait(5) == 0
        assert process.stderr.read() == "Stopped.\n"


def test_no_id_comes_again_after_a_restart_unless_a_seed_says_so():
    def first_id(*arguments):
        with started(*arguments) as (_, url):
            task = {"executors": [{"image": "alpine", "command": ["true"]}]}
            return requests.post(f"{url}{TES}/tasks", json=task, timeout=5).json()["id"]

    assert first_id() != first_id()
    assert first_id("--seed", "7") == first_id("--seed", "7")


def refused(*arguments):
    ended = CliRunner().invoke(build(), ["tes-sim", *arguments])
    assert ended.stderr.count("\n") == 1
    assert ended.exit_code == 2
    return ended.stderr


def test_an_unknown_profile_is_wrong_use():
    assert "there are funnel, tesk, pr176, strict" in refused("--profile", "cromwell")


def test_a_user_without_a_password_is_wrong_use():
    assert "USER:PASSWORD" in refused("--basic", "alice")


def test_a_wrong_script_is_wrong_use():
    assert "running" in refused("--script", "QUEUED 1, running 2")


def test_a_port_that_is_taken_is_wrong_use():
    with started() as (_, url):
        assert "is the port taken?" in refused("--port", url.rpartition(":")[2])


def test_a_host_that_is_not_ours_is_wrong_use():
    assert "192.0.2.1" in refused("--host", "192.0.2.1", "--port", str(free_port()))


def test_commands_are_executed_for_nobody_but_this_machine(tmp_path):
    said = refused("--execute", str(tmp_path), "--host", "192.0.2.1")
    assert "only with --host 127.0.0.1" in said


def test_it_says_that_it_executes_commands_and_does(tmp_path):
    said = tmp_path / "said"
    with started("--execute", str(tmp_path / "tasks"), "--speed", "10") as (process, url):
        assert "run on this machine, as you" in process.stderr.readline()
        task = {"executors": [{"image": "alpine", "command": ["touch", str(said)]}]}
        assert requests.post(f"{url}{TES}/tasks", json=task, timeout=5).ok
        until(said.exists)
