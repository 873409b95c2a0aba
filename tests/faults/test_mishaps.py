"""Mishaps are what they are called, and each changes nothing of the others."""

import random
from itertools import pairwise

import pytest

from tests.faults.mishaps import Mishaps, posts
from tests.faults.records import Turn

TURNS = [Turn(10.0, "QUEUED"), Turn(11.0, "RUNNING"), Turn(12.0, "COMPLETE")]
STATES = [turn.state for turn in TURNS]


def told(seed=1, **mishaps):
    return posts(TURNS, Mishaps(**mishaps), random.Random(seed))


def states(seed=1, **mishaps):
    return [one.state for one in told(seed, **mishaps)]


def test_without_mishaps_all_is_told_at_once():
    assert [(one.at, one.state) for one in told()] == TURNS


def test_what_is_dropped_is_not_told():
    assert states(dropped=1.0) == []
    some = [len(states(seed, dropped=0.3)) for seed in range(200)]
    assert sum(some) / 600 == pytest.approx(0.7, abs=0.06)


def test_what_is_repeated_is_told_again_later():
    assert sorted(states(repeated=1.0)) == sorted(STATES * 2)


def test_what_is_late_comes_by_so_much_later():
    late = told(late=1.0, delay=(5.0, 6.0))
    times = {turn.state: turn.at for turn in TURNS}
    assert all(5.0 <= one.at - times[one.state] <= 6.0 for one in late)


def test_what_is_overtaken_comes_after_what_overtook_it():
    first, second, third = told(overtaken=1.0)
    assert [first.state, second.state, third.state] == ["QUEUED", "COMPLETE", "RUNNING"]
    assert first.at > TURNS[1].at


def test_a_replay_tells_everything_in_order_after_the_end():
    again = told(replayed=1.0)[3:]
    assert [one.state for one in again] == STATES
    assert again[0].at > TURNS[-1].at
    assert all(later.at > earlier.at for earlier, later in pairwise(again))


def test_an_end_that_is_none_is_told_amid_the_running():
    assert states(undone=1.0) == ["QUEUED", "RUNNING", "SYSTEM_ERROR", "COMPLETE"]


def test_the_same_seed_brings_the_same():
    mishaps = {"dropped": 0.3, "late": 0.3, "repeated": 0.3}
    assert told(7, **mishaps) == told(7, **mishaps)
    assert told(7, **mishaps) != told(8, **mishaps)
