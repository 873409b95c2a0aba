"""Which callbacks a server sends, and when."""

import pytest

from callback_service.domain.states import State
from tests.tes_sim.asking import LISTENER, asker

ONE = [State.INITIALIZING, State.QUEUED, State.RUNNING, State.COMPLETE]
TWO = [*ONE[:-1], State.QUEUED, State.RUNNING, State.COMPLETE]


@pytest.mark.parametrize(("commands", "states"), [(["true"], ONE), (["true", "true"], TWO)])
def test_every_move_is_told_but_the_one_that_the_submitter_knows(commands, states):
    tes = asker("pr176")
    tes.submit(*commands, callback_url=LISTENER)
    assert tes.states_told() == states


def test_a_callback_is_due_when_the_state_changes():
    tes = asker("pr176")
    task = tes.submit(callback_url=LISTENER)
    for _ in range(200):
        for task_id, state in tes.told(0.01):
            assert task_id == task
            assert tes.state(task) is state


def test_each_is_asked_for_once():
    tes = asker("pr176")
    tes.submit(callback_url=LISTENER)
    assert tes.states_told()
    assert tes.states_told() == []


def test_callbacks_of_all_tasks_come_in_the_order_of_time():
    tes = asker("pr176")
    for seconds in (3, 1, 2):
        tes.submit(f"sleep {seconds}", callback_url=LISTENER)
    tes.clock.advance(60)
    due = tes.core.callbacks_due(tes.now)
    assert [one.at for one in due] == sorted(one.at for one in due)
    assert len(due) == 12
    assert {one.url for one in due} == {LISTENER}


def test_who_gave_no_url_is_told_nothing():
    tes = asker("pr176")
    tes.submit()
    assert tes.states_told() == []


def test_other_servers_can_be_made_to_call_back_and_tell_every_state():
    tes = asker("funnel", callbacks=True)
    tes.submit(callback_url=LISTENER)
    assert tes.states_told() == ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETE"]


def test_nothing_tells_of_a_cancel_during_staging():
    tes = asker("pr176", script="QUEUED 1, INITIALIZING 5, RUNNING 5, COMPLETE")
    task = tes.submit(callback_url=LISTENER)
    assert tes.states_told(2) == ["INITIALIZING"]
    tes.cancel(task)
    assert tes.states_told() == []


def test_a_cancel_of_what_runs_is_told():
    tes = asker("pr176", script="QUEUED 1, INITIALIZING 1, RUNNING 50, COMPLETE")
    task = tes.submit(callback_url=LISTENER)
    assert tes.states_told(10)[-1] == "RUNNING"
    tes.cancel(task)
    assert tes.states_told() == ["CANCELED"]


def test_a_forgotten_task_is_told_of_no_more():
    tes = asker("pr176")
    tes.core.forget(tes.submit(callback_url=LISTENER))
    assert tes.states_told() == []


def test_a_task_waits_for_its_listener():
    tes = asker("pr176")
    task = tes.submit("sleep 2", callback_url=LISTENER)
    states = tes.states_told(1)
    assert states[-1] == "RUNNING"
    tes.core.block(task, tes.now)
    assert tes.state(task, 100) is State.RUNNING
    assert tes.states_told() == []
    tes.core.go_on(task, tes.now)
    assert tes.states_told(1) == []
    assert tes.states_told(2) == ["COMPLETE"]


def test_callbacks_get_lost_at_the_rate_that_was_asked_for():
    tes = asker("pr176", seed=7)
    tes.fail(drop_callbacks=0.3)
    for _ in range(500):
        tes.submit(callback_url=LISTENER)
    told = len(tes.states_told())
    assert told + tes.core.lost_callbacks == 2000
    assert 0.65 < told / 2000 < 0.75


@pytest.mark.parametrize(("share", "told"), [(0.0, 4), (1.0, 0)])
def test_all_or_none_of_them_may_get_lost(share, told):
    tes = asker("pr176")
    tes.fail(drop_callbacks=share)
    tes.submit(callback_url=LISTENER)
    assert len(tes.states_told()) == told


def test_what_is_due_while_the_server_is_down_is_lost():
    tes = asker("funnel", callbacks=True, script="QUEUED 1, RUNNING 5, COMPLETE")
    tes.submit(callback_url=LISTENER)
    assert tes.states_told(0.5) == ["QUEUED"]
    tes.core.restart(tes.now, down=2)
    assert tes.states_told() == ["COMPLETE"]


def test_a_restart_replays_everything_of_what_is_open():
    tes = asker("pr176", script="QUEUED 1, INITIALIZING 1, RUNNING 50, COMPLETE")
    tes.submit("true", callback_url=LISTENER)
    ended = tes.submit(callback_url=LISTENER, script="QUEUED 1, COMPLETE")
    assert len(tes.told(10)) == 4
    tes.core.restart(tes.now, down=5)
    assert tes.told(4.9) == []
    again = tes.told(0.1)
    assert [state for _, state in again] == ["INITIALIZING", "QUEUED", "RUNNING"]
    assert ended not in dict(again)
    assert tes.states_told() == ["COMPLETE"]


def test_other_servers_replay_nothing():
    tes = asker("strict", callbacks=True)
    tes.submit(callback_url=LISTENER)
    before = tes.states_told(0.5)
    tes.core.restart(tes.now)
    assert before + tes.states_told() == ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETE"]
