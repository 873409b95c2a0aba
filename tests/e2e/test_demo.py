"""`callback-service demo`: it shows that nothing is lost, and says so by its exit code."""

import json
import subprocess

import pytest

from tests.e2e.processes import COMMAND, clean_environ

TASKS = 20


@pytest.fixture(scope="module")
def broker():
    return "folder"


def demo(*arguments):
    command = [*COMMAND, "demo", "--tasks", str(TASKS), "--json", *arguments]
    ended = subprocess.run(
        command, env=clean_environ(), capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def assert_nothing_lost(outcome):
    assert outcome["ok"]
    assert outcome["sent"] == outcome["planned"] > TASKS
    for run in outcome["runs"]:
        assert run["received"] == outcome["sent"]
        assert run["lost"] == run["out_of_order"] == run["unverified"] == 0


def test_with_a_service_of_its_own():
    assert_nothing_lost(demo("--own"))


def test_with_a_service_that_is_there_already(system):
    assert_nothing_lost(demo("--url", system.api.url, "--token", system.client.token))
    assert system.client.get("/v1/runs")["runs"] == [], "it leaves no runs behind"
