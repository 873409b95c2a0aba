"""Whoever ends a process waits for what the process itself waits for."""

import json
import subprocess
import sys

import pytest

from callback_service.config.server_settings import GatewaySettings
from callback_service.embedded.folder import DataFolder
from callback_service.embedded.stack import API_GRACE, Options, Programs, Surroundings, stack
from callback_service.entrypoints.cli.up import api_grace

# A process of its own: `serve` has gevent take the place of a process's threads.
TOLD = """
import json
from callback_service.serve import Server

cfg = Server("127.0.0.1", 8080, 1, 37).cfg
print(json.dumps([cfg.graceful_timeout, cfg.timeout]))
"""


@pytest.fixture(scope="module")
def gunicorn():
    said = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, check=True).stdout
    return json.loads(said)


@pytest.mark.parametrize("timeout", [0.1, 8, 9.5, 300])
def test_a_task_that_is_being_submitted_is_not_cut_short(timeout):
    assert GatewaySettings(timeout=timeout).grace > timeout


def test_gunicorn_gives_requests_the_time_that_the_settings_do(gunicorn):
    grace, _ = gunicorn
    assert grace == 37


def test_a_process_that_is_busy_is_not_taken_for_a_dead_one(gunicorn):
    _, stuck_after = gunicorn
    assert stuck_after >= 300


@pytest.mark.parametrize("grace", [3, 302])
def test_up_gives_the_api_more_time_than_that(tmp_path, grace):
    options = Options(tmp_path, api_grace=grace)
    surroundings = Surroundings({"MONGO_URI": "mongodb://127.0.0.1/"})
    api, *_ = stack(options, DataFolder(tmp_path), surroundings, Programs()).commands
    assert api.grace > grace


def test_up_knows_the_settings_that_ship_and_reads_the_others(tmp_path, monkeypatch):
    assert api_grace({}) == API_GRACE == GatewaySettings().grace
    changed = tmp_path / "changed.yaml"
    changed.write_text("custom: {gateway: {timeout: 60}}", encoding="utf-8")
    monkeypatch.setenv("CALLBACK_CONFIG", str(changed))
    assert api_grace({"CALLBACK_CONFIG": str(changed)}) == GatewaySettings(timeout=60).grace
