"""What a receiver answers decides what becomes of its updates, and of nobody else's."""

import pytest

from tests.e2e.conditions import never, until
from tests.e2e.receivers import Answer, assert_honest
from tests.e2e.system import new_task

# Seconds; the service's own goes on for three days.
SHORT = [0, 0.1, 0.1, 0.1]


@pytest.fixture(scope="module")
def broker():
    """What receivers answer is no affair of the broker's."""
    return "folder"


def once(answer, then=None):
    answers = iter([answer])
    return lambda _delivery: next(answers, then or Answer())


def test_after_a_410_the_run_is_told_nothing_more_until_it_is_resumed(system, new_receiver):
    task, receiver = new_task(), new_receiver(once(Answer(410)))
    run = system.client.register(receiver)
    run.call_back(task, "RUNNING")
    until(lambda: run.show()["status"] == "gone")
    run.call_back(task, "COMPLETE")
    never(lambda: len(receiver.deliveries) > 1, during=1.5)
    assert run.show()["owed"] == 1
    assert run.do("resume")["status"] == "active"
    receiver.until_told(task, "RUNNING", "COMPLETE")


def test_a_503_with_retry_after_is_waited_for(system, new_receiver):
    task, receiver = new_task(), new_receiver(once(Answer(503, {"Retry-After": "2"})))
    run = system.client.register(receiver, retry_schedule=SHORT)
    run.call_back(task, "RUNNING")
    receiver.until_told(task, "RUNNING")
    first, second = receiver.deliveries
    assert second.at - first.at >= 1.9
    assert first.webhook_id == second.webhook_id
    assert_honest(receiver)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 504])
def test_what_may_pass_is_tried_again_under_the_same_id(system, new_receiver, status):
    task, receiver = new_task(), new_receiver(once(Answer(status)))
    run = system.client.register(receiver, retry_schedule=SHORT)
    run.call_back(task, "RUNNING")
    receiver.until_told(task, "RUNNING")
    assert len({one.webhook_id for one in receiver.deliveries}) == 1
    attempts = until(lambda: len(found := run.deliveries()) == 2 and found)
    assert [one["verdict"] for one in attempts] == ["told", "retry"]
    assert [one.get("status") for one in attempts] == [204, status]


def test_a_receiver_that_hangs_up_is_tried_again(system, new_receiver):
    task, receiver = new_task(), new_receiver(once(Answer(hangs_up=True, status=0)))
    run = system.client.register(receiver, retry_schedule=SHORT)
    run.call_back(task, "RUNNING")
    receiver.until_told(task, "RUNNING")
    assert len({one.webhook_id for one in receiver.deliveries}) == 1


def test_what_fails_for_good_goes_to_the_dead_letters_and_the_rest_goes_on(system, new_receiver):
    bad, good = new_task(), new_task()
    receiver = new_receiver(lambda one: Answer(403 if one.updates[0].task == bad else 204))
    run = system.client.register(receiver)
    run.call_back(bad, "RUNNING")
    until(lambda: run.show()["dead_letters"] == 1)
    run.call_back(good, "RUNNING", "COMPLETE")
    receiver.until_told(good, "RUNNING", "COMPLETE")
    assert run.show()["status"] == "active"
    assert len([one for one in receiver.deliveries if one.updates[0].task == bad]) == 1


def test_when_all_attempts_are_used_up_what_comes_later_has_its_turn(system, new_receiver):
    bad, good = new_task(), new_task()
    receiver = new_receiver(lambda one: Answer(500 if one.updates[0].task == bad else 204))
    run = system.client.register(receiver, retry_schedule=[0, 0.1])
    run.call_back(bad, "RUNNING")
    until(lambda: run.show()["dead_letters"] == 1)
    run.call_back(good, "COMPLETE")
    receiver.until_told(good, "COMPLETE")
    assert len([one for one in receiver.deliveries if one.status == 500]) == 2


def test_a_400_costs_only_the_one_update_that_is_to_blame(system, new_receiver):
    tasks = [new_task() for _ in range(20)]
    bad = tasks[7]
    receiver = new_receiver(
        lambda one: Answer(400 if bad in {told.task for told in one.updates} else 204)
    )
    run = system.client.register(receiver)
    run.do("pause")
    for task in tasks:
        run.call_back(task, "RUNNING")
    run.do("resume")
    for task in tasks:
        if task != bad:
            receiver.until_told(task, "RUNNING")
    until(lambda: run.show()["dead_letters"] == 1)
    assert max(len(one.updates) for one in receiver.deliveries) == len(tasks)
    run.call_back(bad, "COMPLETE")
    until(lambda: run.show()["dead_letters"] == 2)
    # A letter is written before the mark.
    until(lambda: run.show()["owed"] == 0)


def test_a_redirect_is_not_followed(system, new_receiver):
    task, other = new_task(), new_receiver()
    receiver = new_receiver(lambda _: Answer(307, {"Location": other.url}))
    run = system.client.register(receiver)
    run.call_back(task, "RUNNING")
    until(lambda: run.show()["dead_letters"] == 1)
    assert other.deliveries == []
    assert "redirect" in run.show()["last_error"]


def test_a_paused_run_is_told_nothing_until_it_is_resumed(system, receiver):
    task, run = new_task(), system.client.register(receiver)
    assert run.do("pause")["status"] == "paused"
    run.call_back(task, "RUNNING", "COMPLETE")
    never(lambda: receiver.deliveries, during=1.5)
    run.do("resume")
    receiver.until_told(task, "RUNNING", "COMPLETE")


def test_redeliver_tells_some_tasks_again_under_new_eyes(system, receiver):
    one, other, run = new_task(), new_task(), system.client.register(receiver)
    run.call_back(one, "RUNNING", "COMPLETE")
    run.call_back(other, "RUNNING")
    receiver.until_told(one, "RUNNING", "COMPLETE")
    receiver.until_told(other, "RUNNING")
    before = len(receiver.told)
    run.do("redeliver", {"tasks": [one]})
    until(lambda: len(receiver.told) == before + 2)
    never(lambda: len(receiver.told) > before + 2, during=1.2)
    assert {told.task for told in receiver.told[before:]} == {one}


def test_redeliver_tells_again_what_came_since_a_time(system, receiver):
    task, run = new_task(), system.client.register(receiver)
    run.call_back(task, "QUEUED", "RUNNING")
    receiver.until_told(task, "QUEUED", "RUNNING")
    run.call_back(task, "COMPLETE")
    receiver.until_told(task, "QUEUED", "RUNNING", "COMPLETE")
    since = system.client.get(f"/v1/tasks/default/{task}")["history"][1]["at"]
    before = len(receiver.told)
    run.do("redeliver", {"since": since})
    until(lambda: len(receiver.told) == before + 2)
    assert [told.state for told in receiver.told[before:]] == ["RUNNING", "COMPLETE"]


def test_after_a_rotation_both_secrets_and_both_urls_are_good_for_a_while(system, receiver):
    task, run = new_task(), system.client.register(receiver)
    old_url, old_secret = run.callback_url, run.secret
    new = run.do("rotate", {"overlap": 60})
    receiver.trust(new["secret"])
    run.call_back(task, "RUNNING")
    run.callback_url = new["callback_url"]
    run.call_back(task, "COMPLETE")
    receiver.until_told(task, "RUNNING", "COMPLETE")
    assert new["callback_url"] != old_url
    for delivery in receiver.accepted:
        assert set(delivery.verified_by) == {old_secret, new["secret"]}


def test_a_rotation_without_overlap_voids_the_old_ones_at_once(system, receiver):
    task, run = new_task(), system.client.register(receiver)
    old_url = run.callback_url
    new = run.do("rotate", {"overlap": 0})
    receiver.secrets[:] = [new["secret"]]
    run.callback_url = new["callback_url"]
    run.call_back(task, "RUNNING")
    receiver.until_told(task, "RUNNING")
    assert_honest(receiver)
    run.callback_url = old_url
    with pytest.raises(AssertionError, match="404"):
        run.call_back(task, "COMPLETE")
