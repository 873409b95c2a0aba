"""cwl-tes 0.3.0, unmodified, and its scatters of tasks with real outputs.

How soon it notices what is measured by `make bench-engines`: here only what it asks is counted.
"""

import signal

import pytest

from callback_service.domain.states import State
from tests.e2e.conditions import until
from tests.engines.cwl_tes import command, expected, said
from tests.engines.ways import Way

TASKS = 20
# In all: twenty of them are the client's, which submits its tasks in any case.
MOST_REQUESTS = 40
# One list confirms many ends, and on a slow machine they come one by one.
CONFIRMATIONS = 15


def completes(on, stdout, stderr, code, tasks):
    assert code == 0, stderr
    assert said(stdout) == expected(tasks)
    assert set(on.server.states().values()) == {State.COMPLETE}


def run(on, tasks=TASKS, seconds=1):
    outcome = on.run(*command(on.url, on.folder, tasks, seconds))
    completes(on, outcome.stdout, outcome.stderr, outcome.exit_code, tasks)
    # Of every end it was told.
    assert len(outcome.noticed_after) == tasks
    return outcome


def test_through_the_gateway_its_polls_do_not_reach_the_server(set_up):
    outcome = run(set_up(Way.GATEWAY))
    assert outcome.of_engine["get"] >= TASKS
    assert outcome.requests <= MOST_REQUESTS


def test_with_the_launcher_it_asks_its_server_for_no_task(set_up):
    outcome = run(set_up(Way.LAUNCHER))
    assert outcome.of_engine == {"create": TASKS}
    assert outcome.requests <= MOST_REQUESTS


def test_with_the_launcher_a_server_that_calls_back_is_asked_by_the_service_alone(set_up):
    """And by that only to confirm ends, some seconds after them."""
    outcome = run(set_up(Way.LAUNCHER, calls_back=True))
    assert outcome.at_server["CreateTask"] == TASKS
    assert outcome.requests <= TASKS + CONFIRMATIONS


@pytest.mark.parametrize("way", [Way.GATEWAY, Way.LAUNCHER])
def test_it_completes_though_the_service_is_killed_in_the_middle(system, set_up, way):
    on, tasks = set_up(way), 5
    with on.started(*command(on.url, on.folder, tasks, seconds=6)) as process:
        until(lambda: list(on.server.states().values()) == [State.RUNNING] * tasks)
        for one in (*system.apis, *system.workers):
            one.end()
        system.revive()
        stdout, stderr = process.communicate(timeout=90)
    completes(on, stdout, stderr, process.returncode, tasks)


def test_ctrl_c_leaves_no_task_running_where_that_is_asked_for(set_up):
    on, tasks = set_up(Way.LAUNCHER), 5
    options = ["--cancel-on-exit"]
    line = command(on.url, on.folder, tasks, seconds=120)
    with on.started(*line, launcher_options=options) as process:
        until(lambda: list(on.server.states().values()) == [State.RUNNING] * tasks)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert set(on.server.states().values()) == {State.CANCELED}
