"""Whatever is said and whatever fails: in order, nothing lost in silence, ends before the rest."""

import pytest
from callback_client.backlog import Backlog, Change

pytest.importorskip("hypothesis", reason="the oldest Python does without")
from hypothesis import given
from hypothesis import strategies as st

STATES = ["QUEUED", "RUNNING", "PAUSED", "COMPLETE", "CANCELED"]
SAID = st.tuples(st.sampled_from("abcd"), st.sampled_from(STATES))
# Something is said, or the listener takes what is first, or it does not.
STEPS = st.lists(SAID | st.sampled_from(["take", "settled", "put_back"]), max_size=60)


class Listening:
    """A backlog, and what became of all that was said."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.backlog = Backlog(capacity)
        self.said, self.told, self.left_out, self.given_up = [], [], [], []
        self.on_its_way = None

    def take(self):
        if len(self.backlog) and self.on_its_way is None:
            self.on_its_way = self.backlog.take()

    def settled(self):
        if self.on_its_way:
            self.told.append(self.on_its_way)
        self.backlog.settled()
        self.on_its_way = None

    def put_back(self):
        self.backlog.put_back()
        self.on_its_way = None

    def say(self, task, state):
        change = Change(task, state, str(len(self.said)))
        self.said.append(change)
        added = self.backlog.add(change)
        self.left_out += added.left_out
        self.given_up += added.given_up
        assert change.final or not any(one.final for one in added.given_up)

    def check(self):
        # Besides one that is on its way, and one that came back from there.
        assert len(self.backlog) <= self.capacity + 1 + (self.on_its_way is not None)
        over = len(self.told) + len(self.left_out) + len(self.given_up)
        assert len(self.backlog) == len(self.said) - over


def of(task, changes):
    return [change for change in changes if change.task_id == task]


@given(st.integers(1, 6), STEPS)
def test_every_state_is_told_left_out_or_given_up_in_order(capacity, steps):
    listening = Listening(capacity)
    for step in steps:
        if isinstance(step, str):
            getattr(listening, step)()
        else:
            listening.say(*step)
        listening.check()
    listening.put_back()
    while len(listening.backlog):
        listening.take()
        listening.settled()
    listening.check()

    over = [*listening.told, *listening.left_out, *listening.given_up]
    assert sorted(over) == sorted(listening.said)
    for task in "abcd":
        told, said = of(task, listening.told), of(task, listening.said)
        numbers = [int(change.message_id) for change in told]
        assert numbers == sorted(numbers)
        if said and not of(task, listening.given_up):
            assert told[-1].state == said[-1].state, "what a task is in last is told"


@given(st.lists(SAID, max_size=60))
def test_no_final_state_is_left_out_but_as_a_repeat(said):
    backlog = Backlog(2)
    lines = {}
    for task, state in said:
        added = backlog.add(Change(task, state))
        lines.setdefault(task, []).append(state)
        for one in added.left_out:
            assert not one.final or one.state in lines[one.task_id][:-1]


@given(st.lists(SAID, max_size=40))
def test_with_room_only_repeats_are_left_out(said):
    backlog = Backlog(1000)
    for task, state in said:
        assert not backlog.add(Change(task, state)).given_up
    kept = backlog.clear()
    for task in "abcd":
        states = [state for one, state in said if one == task]
        moves = [state for n, state in enumerate(states) if n == 0 or states[n - 1] != state]
        assert [one.state for one in kept if one.task_id == task] == moves
