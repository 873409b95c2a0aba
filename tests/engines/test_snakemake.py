"""Snakemake 9, unmodified, and a workflow of five jobs with real outputs."""

import signal

import pytest

from callback_service.domain.states import State
from tests.e2e.conditions import until
from tests.engines.counting import Counting
from tests.engines.snakemake import WORDS, command, expected, prepared, result
from tests.engines.ways import SCRIPT, Ground, Way
from tests.tes_sim.running import running_server

# Snakemake itself looks at its jobs 40 s after it began: the first ends would be noticed later.
SOON = 15
LOOKS = ("--seconds-between-status-checks", "1")
# Tasks that nothing but a cancel ends.
ENDLESS = "QUEUED 0.1, RUNNING"


def run(on, *options, words=WORDS):
    environ = prepared(on.folder, words)
    return on.run(*command(on.url, on.folder, *options), **environ)


def started(on, *options, words=WORDS, seconds=0, **how):
    environ = prepared(on.folder, words, seconds)
    return on.started(*command(on.url, on.folder, *options), **environ, **how)


def states(on):
    return list(on.server.states().values())


def completes(on, outcome, words=WORDS):
    assert outcome.exit_code == 0, outcome.stderr
    assert result(on.folder) == expected(words)
    # One more puts them together.
    assert states(on) == [State.COMPLETE] * (words + 1)


def test_with_the_launcher_it_asks_its_server_for_no_task(set_up):
    on = set_up(Way.LAUNCHER)
    outcome = run(on)
    completes(on, outcome)
    assert outcome.of_engine == {"create": WORDS + 1}
    # Each end is looked at once, at the service.
    assert on.fronts[1].counts["get"] == WORDS + 1
    assert max(outcome.noticed_after) < SOON


def test_with_the_launcher_hardly_anybody_asks_a_server_that_calls_back(set_up):
    on = set_up(Way.LAUNCHER, calls_back=True)
    outcome = run(on, words=1)
    completes(on, outcome, words=1)
    # What the callbacks told of ends is confirmed, in the time in which others run.
    assert outcome.at_server["CreateTask"] == 2
    assert outcome.requests <= 6


def test_through_the_gateway_it_runs_where_it_dies_straight_at_funnel(set_up, tmp_path):
    """Both at once, for both have to wait for the first look."""
    on = set_up(Way.GATEWAY)
    folder = tmp_path / "straight"
    folder.mkdir()
    with (
        running_server("funnel", execute=folder / "tasks", script=SCRIPT) as funnel,
        Counting(funnel.url).running() as front,
    ):
        straight = Ground(Way.POLLING, front.url, funnel, (front,), (), {}, folder)
        with started(straight, *LOOKS, words=1) as process:
            outcome = run(on, *LOOKS)
            _, said = process.communicate(timeout=60)
    completes(on, outcome)
    # Whatever Snakemake asks, the service asks only so often, of all jobs together.
    assert outcome.requests <= 3 * outcome.seconds
    assert process.returncode == 1
    assert "j must be a str or dict" in said
    assert front.counts == {"create": 1, "get": 1}


def test_what_is_preempted_is_tried_again(set_up):
    on = set_up(Way.LAUNCHER, calls_back=True, profile="strict")
    on.server.fail(preempted=1.0)
    with started(on, "--retries", "20", "words/0.txt") as process:
        until(lambda: State.PREEMPTED in states(on))
        on.server.fail()
        said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert states(on).count(State.COMPLETE) == 1
    assert set(states(on)) == {State.PREEMPTED, State.COMPLETE}


def test_it_completes_though_the_service_is_killed_in_the_middle(system, set_up):
    """Meanwhile it asks Funnel itself, of whose answers its py-tes would die."""
    on = set_up(Way.LAUNCHER)
    with started(on, *LOOKS, words=1, seconds=5) as process:
        until(lambda: states(on) == [State.RUNNING])
        for one in (*system.apis, *system.workers):
            one.end()
        until(lambda: on.fronts[0].counts["get"])
        system.revive()
        stdout, stderr = process.communicate(timeout=90)
    completes(on, on.outcome(process.returncode, stdout, stderr), words=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_ends_its_tasks(set_up, number):
    on = set_up(Way.LAUNCHER, script=ENDLESS)
    with started(on, launcher_options=["--cancel-on-exit"]) as process:
        until(lambda: states(on) == [State.RUNNING] * WORDS)
        process.send_signal(number)
        said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert states(on) == [State.CANCELED] * WORDS
