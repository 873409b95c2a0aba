"""Toil 6.1.0 with its plugin for TES, unmodified, and a workflow of five tasks."""

from collections import Counter

import pytest

from tests.engines.toil import RESULT, command, copied_plugin, environ
from tests.engines.ways import Way

TASKS = 5
# What the service allows itself while clients wait, and has saved up before.
LOOKS_PER_SECOND, BURST = 3.5, 30
# Seconds between two of Toil's checks for jobs that wait for each other.
DEADLOCK_CHECKS = 30


@pytest.fixture
def linked(tmp_path):
    """What a `PYTHONPATH` needs for Toil without the launcher, as the page says."""
    plugin = copied_plugin(tmp_path / "plugin")
    (plugin / "tes_batch_stytem.py").symlink_to("tes_batch_system.py")
    return {"PYTHONPATH": str(plugin.parent)}


def run(on, **more):
    return on.run(*command(on.folder), **{**environ(on.url), **more})


def views(on):
    """How often the server was asked for single tasks, in each view."""
    asked = (one for one in on.server.core.journal.requests if one.operation == "GetTask")
    return Counter(dict(one.query)["view"] for one in asked)


def test_the_plugin_is_not_found_by_toil(set_up):
    on = set_up(Way.POLLING)
    outcome = run(on)
    assert "No module named 'toil_batch_system_tes.tes_batch_stytem'" in outcome.stderr
    assert (outcome.exit_code, outcome.at_server) == (1, {})


def test_straight_at_todays_funnel_it_dies_at_its_start(set_up, linked):
    on = set_up(Way.POLLING)
    outcome = run(on, **linked)
    assert outcome.exit_code == 1
    assert "404 Client Error" in outcome.stderr
    assert "/v1/tasks/service-info" in outcome.stderr
    assert not on.server.states()


def test_the_gateway_alone_is_enough(set_up, linked):
    on = set_up(Way.GATEWAY)
    outcome = run(on, **linked)
    assert (outcome.exit_code, outcome.stdout) == (0, f"{RESULT}\n"), outcome.stderr
    assert outcome.at_server["CreateTask"] == TASKS
    seen = views(on)
    assert seen["FULL"] == TASKS
    # The server is asked for all tasks together, at most so often however many there are.
    looks = seen["MINIMAL"] + outcome.at_server.get("ListTasks", 0)
    assert looks <= BURST + LOOKS_PER_SECOND * outcome.seconds
    assert len(outcome.noticed_after) == TASKS


def test_by_the_launcher_it_is_told_of_its_tasks(set_up):
    """Without the link, which the launcher stands for."""
    on = set_up(Way.LAUNCHER, calls_back=True)
    outcome = run(on)
    assert (outcome.exit_code, outcome.stdout) == (0, f"{RESULT}\n"), outcome.stderr
    assert "callback-exec" not in outcome.stderr
    assert outcome.at_server["CreateTask"] == TASKS
    seen = views(on)
    # How its tasks ended; and now and then, if there is nothing else to do, which of them run.
    assert seen["FULL"] == TASKS
    assert seen["BASIC"] <= TASKS * (1 + outcome.seconds // DEADLOCK_CHECKS)
    # The service confirms what it was told by callbacks.
    assert seen["MINIMAL"] <= TASKS
    assert outcome.at_server.get("ListTasks", 0) <= TASKS
    assert len(outcome.noticed_after) == TASKS
