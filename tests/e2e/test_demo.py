"""`callback-service demo`: it shows that nothing is lost, and says so by its exit code."""

import json
import subprocess

from tests.e2e.processes import COMMAND, clean_environ

TASKS = 10


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


def test_it_loses_nothing_with_a_service_of_its_own():
    assert_nothing_lost(demo("--own"))
