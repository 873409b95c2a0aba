"""Looking is cheap, or it is done seldom."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.freshness import WANTED
from callback_service.relay.reconcile.rhythm import ALL, BUSY, IDLE, JITTER, ONE, Rhythm
from tests.fakes.clock import START

MOMENT = timedelta(milliseconds=1)
NONE = timedelta()


def looked(cost: timedelta = NONE, chance: float = 0.5, *, is_idle: bool = False) -> Rhythm:
    rhythm = Rhythm()
    rhythm.note(START, START + cost, chance, is_idle=is_idle)
    return rhythm


def pause(rhythm: Rhythm, total: timedelta = NONE, *, is_awaited: bool = False) -> timedelta:
    """How long it is until the next look."""
    wait = NONE
    while not rhythm.is_time(START + wait, total, is_awaited=is_awaited):
        wait += MOMENT
    return wait


def test_the_first_look_is_at_once():
    assert Rhythm().is_time(START, NONE, is_awaited=False)


def test_a_few_times_a_second_where_tasks_are_open():
    assert pause(looked()) == BUSY


@given(chance=st.floats(0, 1, exclude_max=True))
def test_once_a_second_where_none_are_and_not_all_workers_at_once(chance):
    rhythm = looked(chance=chance, is_idle=True)
    assert IDLE * (1 - JITTER) <= pause(rhythm) <= IDLE * (1 + JITTER) + MOMENT
    assert pause(rhythm, is_awaited=True) == WANTED


@pytest.mark.parametrize("is_awaited", [False, True])
def test_what_takes_long_is_done_seldom(is_awaited):
    cost = timedelta(seconds=0.3)
    assert pause(looked(cost), cost, is_awaited=is_awaited) == ONE * cost


def test_many_servers_together_are_looked_at_less_often_each():
    assert pause(looked(10 * MOMENT), 1000 * MOMENT) == ALL * 1000 * MOMENT
