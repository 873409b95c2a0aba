"""A callback in, every registered run told: over real HTTP, in order, signed."""

import pytest

from tests.e2e.conditions import until
from tests.e2e.load import Load
from tests.e2e.receivers import assert_repeats_are_exact
from tests.e2e.system import TESK_MEANS, TESK_SENDS, call_back, new_task

FORMATS = ["batch", "tes", "cloudevents"]


@pytest.mark.parametrize("sink_format", FORMATS)
def test_a_run_is_told_what_tesk_sends_in_order_and_signed(system, receiver, sink_format):
    task, run = new_task(), system.client.register(receiver, format=sink_format)
    run.call_back(task, *TESK_SENDS)
    receiver.until_told(task, *TESK_MEANS)
    assert_repeats_are_exact(receiver)


def test_what_tesk_replays_after_its_task_has_ended_is_told_to_nobody(system, receiver):
    task, run = new_task(), system.client.register(receiver)
    run.call_back(task, *TESK_SENDS, *TESK_SENDS)
    receiver.until_told(task, *TESK_MEANS)
    assert system.client.get(f"/v1/tasks/default/{task}")["seq"] == len(TESK_MEANS)


def test_what_tesk_replays_before_its_task_has_ended_is_told_as_it_is_believed(system, receiver):
    """No rank of states tells a replay from a task that went back."""
    task, run = new_task(), system.client.register(receiver)
    run.call_back(task, "INITIALIZING", "QUEUED", "RUNNING", *TESK_SENDS)
    receiver.until_told(task, "INITIALIZING", "QUEUED", "RUNNING", *TESK_MEANS)


def test_unknown_is_no_news(system, receiver):
    task, run = new_task(), system.client.register(receiver)
    run.call_back(task, "UNKNOWN", "RUNNING", "UNKNOWN", "COMPLETE")
    receiver.until_told(task, "RUNNING", "COMPLETE")


def test_many_tasks_at_once_are_each_told_in_order(system, receiver):
    run = system.client.register(receiver)
    with Load(run) as load:
        load.until_more(200)
    load.until_told(run, receiver)
    assert load.refused == 0
    assert_repeats_are_exact(receiver)


def test_every_run_that_follows_a_task_is_told(system, new_receiver):
    task, receivers = new_task(), [new_receiver(), new_receiver()]
    runs = [system.client.register(one, tasks=[task]) for one in receivers]
    runs[0].call_back(task, "RUNNING")
    runs[1].call_back(task, "COMPLETE")
    for receiver in receivers:
        receiver.until_told(task, "RUNNING", "COMPLETE")
        assert_repeats_are_exact(receiver)


def test_a_callback_may_come_before_a_run_is_registered_for_its_task(system, new_receiver):
    task, first, second = new_task(), new_receiver(), new_receiver()
    system.client.register(first).call_back(task, "QUEUED", "RUNNING")
    system.client.register(second, tasks=[task])
    second.until_told(task, "QUEUED", "RUNNING")


def test_who_comes_late_is_told_the_whole_history_and_then_the_rest(system, new_receiver):
    task, first, second = new_task(), new_receiver(), new_receiver()
    run, late = system.client.register(first), system.client.register(second)
    run.call_back(task, *TESK_SENDS[:-1])
    first.until_told(task, *TESK_MEANS[:-1])
    late.follow(task)
    second.until_told(task, *TESK_MEANS[:-1])
    run.call_back(task, TESK_SENDS[-1])
    second.until_told(task, *TESK_MEANS)
    first.until_told(task, *TESK_MEANS)


def test_a_deleted_run_is_told_nothing_more_and_the_others_are(system, new_receiver):
    task, deaf, other = new_task(), new_receiver(), new_receiver()
    deleted = system.client.register(deaf, tasks=[task])
    run = system.client.register(other, tasks=[task])
    run.call_back(task, "RUNNING")
    deaf.until_told(task, "RUNNING")
    deleted.delete()
    assert call_back(deleted.callback_url, task, "COMPLETE").status_code == 404
    run.call_back(task, "COMPLETE")
    other.until_told(task, "RUNNING", "COMPLETE")
    assert deaf.states(task) == ["RUNNING"]


def test_an_expired_run_is_told_nothing_more(system, new_receiver):
    task, deaf, other = new_task(), new_receiver(), new_receiver()
    expired = system.client.register(deaf, tasks=[task])
    run = system.client.register(other, tasks=[task])
    expire(system, expired)
    run.call_back(task, "RUNNING")
    other.until_told(task, "RUNNING")
    assert call_back(expired.callback_url, task, "COMPLETE").status_code == 404
    assert system.client.ask("GET", expired.path).status_code == 404
    assert deaf.deliveries == []


def test_what_an_expired_run_leaves_behind_goes(system, receiver):
    task, run = new_task(), system.client.register(receiver, tasks=[new_task()])
    run.call_back(task, "RUNNING")
    expire(system, run)
    with system.database.client() as client:
        database = client["callback-service"]
        until(lambda: not database["runs"].find_one({"_id": run.id}))
        assert not database["tasks"].find_one({"runs": run.id})
        assert not database["tasks"].find_one({"owed": run.id})


def expire(system, run):
    """Nobody waits for a minute, the shortest life that a run can have."""
    with system.database.client() as client:
        created = {"$set": {"expires_at": run.created_at}}
        assert client["callback-service"]["runs"].update_one({"_id": run.id}, created).matched_count
