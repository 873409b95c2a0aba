"""What is left out where too much waits, and what is not."""

import pytest
from callback_client.backlog import Backlog, Change


def backlog_of(capacity, *words):
    """Each word is a task, one letter, and a state."""
    backlog = Backlog(capacity)
    for word in words:
        assert not backlog.add(change(word)).given_up
    return backlog


def change(word):
    task, _, state = word.partition(" ")
    return Change(task, state)


def words(changes):
    return [f"{one.task_id} {one.state}" for one in changes]


def told(backlog):
    found = []
    while len(backlog):
        found.append(backlog.take())
        backlog.settled()
    return words(found)


def test_tasks_take_turns_and_each_is_told_in_order():
    backlog = backlog_of(9, "a QUEUED", "a RUNNING", "a COMPLETE", "b RUNNING", "b COMPLETE")
    assert told(backlog) == ["a QUEUED", "b RUNNING", "a RUNNING", "b COMPLETE", "a COMPLETE"]


def test_what_was_put_back_is_still_the_first_of_its_task_and_lets_others_by():
    backlog = backlog_of(9, "a QUEUED", "a RUNNING", "b QUEUED")
    assert words([backlog.take()]) == ["a QUEUED"]
    backlog.put_back()
    assert told(backlog) == ["b QUEUED", "a QUEUED", "a RUNNING"]


def test_a_repeat_is_told_once():
    backlog = backlog_of(9, "a QUEUED")
    assert words(backlog.add(change("a QUEUED")).left_out) == ["a QUEUED"]
    assert not backlog.add(change("b QUEUED")).left_out
    assert told(backlog) == ["a QUEUED", "b QUEUED"]


def test_what_is_on_its_way_need_not_be_said_again():
    backlog = backlog_of(9, "a QUEUED")
    backlog.take()
    assert backlog.add(change("a QUEUED")).left_out
    backlog.settled()
    assert not backlog.add(change("a QUEUED")).left_out


def test_going_back_is_told_while_there_is_room():
    back = ["a RUNNING", "a QUEUED", "a RUNNING"]
    assert told(backlog_of(3, *back)) == back


@pytest.mark.parametrize(
    ("waiting", "added", "left_out", "rest"),
    [
        ("a QUEUED, a RUNNING", "a COMPLETE", "a QUEUED", "a RUNNING, a COMPLETE"),
        ("b QUEUED, b RUNNING", "a QUEUED", "b QUEUED", "b RUNNING, a QUEUED"),
        ("b QUEUED, a QUEUED", "a RUNNING", "a QUEUED", "b QUEUED, a RUNNING"),
        ("b COMPLETE, a QUEUED", "a RUNNING", "a QUEUED", "b COMPLETE, a RUNNING"),
    ],
)
def test_a_full_backlog_leaves_out_what_is_superseded(waiting, added, left_out, rest):
    backlog = backlog_of(2, *waiting.split(", "))
    found = backlog.add(change(added))
    assert (words(found.left_out), found.given_up) == ([left_out], ())
    assert told(backlog) == rest.split(", ")


def test_two_states_that_become_a_repeat_are_one():
    backlog = backlog_of(3, "a RUNNING", "a QUEUED", "b QUEUED")
    backlog.take()
    backlog.add(change("a RUNNING"))
    found = backlog.add(change("c QUEUED"))
    assert words(found.left_out) == ["a QUEUED", "a RUNNING"]
    backlog.put_back()
    assert told(backlog) == ["b QUEUED", "c QUEUED", "a RUNNING"]


@pytest.mark.parametrize(
    ("waiting", "added", "given_up", "rest"),
    [
        ("b QUEUED, c RUNNING", "a RUNNING", "a RUNNING", "b QUEUED, c RUNNING"),
        ("b COMPLETE, c CANCELED", "a RUNNING", "a RUNNING", "b COMPLETE, c CANCELED"),
        ("b COMPLETE, c RUNNING", "a COMPLETE", "c RUNNING", "b COMPLETE, a COMPLETE"),
        ("b COMPLETE, c CANCELED", "a COMPLETE", "a COMPLETE", "b COMPLETE, c CANCELED"),
        ("b COMPLETE, a COMPLETE", "a RUNNING", "a RUNNING", "b COMPLETE, a COMPLETE"),
    ],
)
def test_what_has_no_room_is_given_up_and_never_an_end_for_another_state(
    waiting, added, given_up, rest
):
    backlog = backlog_of(2, *waiting.split(", "))
    found = backlog.add(change(added))
    assert (found.left_out, words(found.given_up)) == ((), [given_up])
    assert told(backlog) == rest.split(", ")


def test_what_is_on_its_way_is_neither_left_out_nor_given_up():
    backlog = backlog_of(1, "a QUEUED")
    backlog.take()
    assert backlog.add(change("a RUNNING")) == ((), ())
    assert words(backlog.add(change("a COMPLETE")).left_out) == ["a RUNNING"]
    assert words(backlog.add(change("b COMPLETE")).given_up) == ["b COMPLETE"]
    backlog.put_back()
    assert told(backlog) == ["a QUEUED", "a COMPLETE"]


def test_forgetting_names_all_with_what_is_on_its_way():
    backlog = backlog_of(9, "a QUEUED", "a RUNNING", "b QUEUED")
    backlog.take()
    assert words(backlog.clear()) == ["a QUEUED", "a RUNNING", "b QUEUED"]
    assert len(backlog) == 0
    assert told(backlog) == []
