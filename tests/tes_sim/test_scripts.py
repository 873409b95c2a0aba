"""What becomes of a task follows from its script and the time, and from nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.states import State
from callback_service.tes_sim.script import Script, Step
from tests.tes_sim.asking import a_task, asker


def history(tes, task_id):
    [task] = [task for task in tes.core.tasks() if task.id == task_id]
    return [move.state for move in task.history(tes.now)]


def test_a_task_says_by_a_tag_what_becomes_of_it():
    tes = asker()
    task = tes.submit(script="QUEUED 0.5, RUNNING 2, EXECUTOR_ERROR")
    assert [tes.state(task), tes.state(task, 0.5), tes.state(task, 1.9)] == [
        State.QUEUED,
        State.RUNNING,
        State.RUNNING,
    ]
    assert tes.state(task, 0.1) is State.EXECUTOR_ERROR


def test_without_one_it_goes_the_servers_way():
    tes = asker(script="QUEUED 1, INITIALIZING 1, RUNNING 1, SYSTEM_ERROR")
    task = tes.submit()
    tes.clock.advance(3)
    assert history(tes, task) == ["QUEUED", "INITIALIZING", "RUNNING", "SYSTEM_ERROR"]


def test_a_script_that_does_not_end_leaves_the_task_where_it_is():
    tes = asker()
    assert tes.state(tes.submit(script="QUEUED 1, PAUSED"), 10**6) is State.PAUSED


@pytest.mark.parametrize("command", ["sleep 7", "sh -c sleep 3 && sleep 4", "sleep 7.0"])
def test_a_sleeping_command_runs_that_long(command):
    tes = asker(script="RUNNING 1, COMPLETE")
    task = tes.submit(command)
    assert tes.state(task, 6.9) is State.RUNNING
    assert tes.state(task, 0.1) is State.COMPLETE


def test_executors_run_one_after_the_other():
    tes = asker(script="RUNNING 1, COMPLETE")
    task = tes.submit("sleep 2", "true", "sleep 3")
    assert tes.state(task, 5.9) is State.RUNNING
    assert tes.state(task, 0.1) is State.COMPLETE


@pytest.mark.parametrize(
    ("command", "code"), [("false", 1), ("sh -c false", 1), ("sh -c exit 3", 3), ("exit 1", 1)]
)
def test_a_failing_command_ends_the_task(command, code):
    tes = asker(script="RUNNING 1, COMPLETE")
    task = tes.submit(command, "sleep 100")
    assert tes.state(task, 1) is State.EXECUTOR_ERROR
    assert tes.get(task, "FULL")["logs"][0]["logs"][0]["exit_code"] == code


@pytest.mark.parametrize("command", ["exit 0", "echo false positives", "sh -c exit 0"])
def test_other_commands_succeed(command):
    tes = asker(script="RUNNING 1, COMPLETE")
    assert tes.state(tes.submit(command), 1) is State.COMPLETE


def test_an_executor_whose_errors_are_ignored_fails_nothing():
    tes = asker(script="RUNNING 1, COMPLETE")
    task = a_task("false", "sleep 5")
    task["executors"][0]["ignore_error"] = True
    task_id = tes.ask("POST", "/tasks", task).json()["id"]
    assert tes.state(task_id, 5.9) is State.RUNNING
    assert tes.state(task_id, 0.1) is State.COMPLETE


def test_time_may_run_faster():
    tes = asker(script="RUNNING 1, COMPLETE", speed=100)
    assert tes.state(tes.submit("sleep 50"), 0.5) is State.COMPLETE


@pytest.mark.parametrize(
    "script", ["", "RUNNING,", "running 1", "RUNNING -1", "RUNNING nan", "DONE", "RUNNING 1e9", ","]
)
def test_what_is_no_script_is_refused(script):
    with pytest.raises(ValueError, match=r"\w"):
        Script.parse(script)
    if script:
        reply = asker().ask("POST", "/tasks", a_task(script=script))
        assert reply.status == 400


@given(st.lists(st.tuples(st.sampled_from(State), st.integers(0, 1000)), min_size=1))
def test_every_script_can_be_written(steps):
    text = ", ".join(f"{state} {seconds}" for state, seconds in steps)
    assert Script.parse(text) == Script(tuple(Step(state, seconds) for state, seconds in steps))


def test_the_same_seed_brings_the_same_chances():
    def play(seed):
        tes = asker(seed=seed, script="RUNNING 1, COMPLETE")
        tes.fail(preempted=0.5)
        tasks = [tes.submit() for _ in range(50)]
        return [(task, tes.state(task, 1)) for task in tasks]

    assert play(1) == play(1)
    assert play(1) != play(2)
