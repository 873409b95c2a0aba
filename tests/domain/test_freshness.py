from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.freshness import (
    CONFIRM_AFTER,
    UNCONFIRMED,
    WAITED,
    WANTED,
    WANTED_SLOW,
    Patience,
    Unsettled,
    due_at,
    is_fresh,
    known_at,
    outlined,
)
from callback_service.domain.polling import CallsBack, Polling
from callback_service.domain.server import Access, Server
from callback_service.domain.states import FINAL, Source, State
from callback_service.domain.task import MISSING_FOR, Task, TaskKey
from tests.fakes.clock import START

TASK = Task(TaskKey("local", "tesk", "task-1"))
SERVER = Server("tesk", "https://tesk.example.org", START)
TELLER = replace(SERVER, calls_back=CallsBack.YES)
PATIENCE = Patience()
QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
CALLBACK, POLL = Source.CALLBACK, Source.POLL
UNDER_WAY = sorted(set(State) - FINAL - {State.UNKNOWN})
SECONDS = st.floats(0, 10**5).map(lambda seconds: round(seconds, 3))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def told(state: State = RUNNING, seconds: float = 0) -> Task:
    return TASK.hear(state, CALLBACK, at(seconds))


def read(state: State = RUNNING, seconds: float = 0) -> Task:
    return TASK.hear(state, POLL, at(seconds))


def covered(seconds: float, server: Server = SERVER) -> Server:
    return replace(server, polling=replace(server.polling, covered_at=at(seconds)))


def wanted(until: float, server: Server = SERVER) -> Server:
    return replace(server, polling=replace(server.polling, wanted_until=at(until)))


def due(
    task: Task, now: float, server: Server = SERVER, patience: Patience = PATIENCE
) -> datetime | None:
    return due_at(outlined(task), server, patience, at(now))


class TestKnown:
    def test_what_only_callbacks_told_is_not_known(self):
        assert known_at(outlined(told()), SERVER) is None
        assert outlined(told()).is_told
        assert not outlined(read()).is_told
        assert not outlined(TASK).is_told

    def test_what_was_read_is_known_since_then(self):
        assert known_at(outlined(read(seconds=3)), SERVER) == at(3)

    def test_a_poll_that_asked_for_every_open_task_asked_for_those_that_were_there(self):
        """So one that did not change is confirmed without a write."""
        assert known_at(outlined(read(seconds=3)), covered(9)) == at(9)
        assert known_at(outlined(told(seconds=9)), covered(9)) == at(9)
        assert known_at(outlined(read(seconds=3)), covered(1)) == at(3)

    def test_a_task_that_came_after_it_began_is_not_in_it(self):
        assert known_at(outlined(told(seconds=9.001)), covered(9)) is None

    def test_one_of_which_nobody_told_anything_is_there_since_it_was_joined(self):
        joined = TASK.join("r1", at(3))
        assert known_at(outlined(joined), covered(9)) == at(9)
        assert known_at(outlined(joined), covered(2)) is None
        assert known_at(outlined(TASK.accept(START)), covered(9)) is None

    def test_one_that_was_not_found_is_not_in_it(self):
        assert known_at(outlined(told().miss(at(1))), covered(9)) is None

    @given(read_at=SECONDS, covered_at=SECONDS)
    def test_the_later_of_both_counts(self, read_at, covered_at):
        task = told().hear(RUNNING, POLL, at(read_at))
        assert known_at(outlined(task), covered(covered_at)) == at(max(read_at, covered_at))


class TestDue:
    def test_a_task_of_which_nobody_said_anything_is_due_at_once(self):
        assert due(TASK.join("r1", START), 0) is None

    def test_one_that_only_a_callback_told_of_is_due_soon(self):
        assert due(told(seconds=3), 3) == at(3) + PATIENCE.fast
        assert due(told(seconds=3), 3, wanted(9)) == at(3) + WANTED

    def test_one_that_changed_just_now_is_looked_at_soon_again(self):
        assert due(read(seconds=0), 0) == at(1.5)
        assert due(read(seconds=0), 5) == at(1.5)

    @given(quiet=SECONDS, read_at=SECONDS)
    def test_the_longer_it_has_not_changed_the_later_within_bounds(self, quiet, read_at):
        task = read(seconds=0).hear(RUNNING, POLL, at(read_at))
        wait = due(task, quiet) - at(read_at)
        assert PATIENCE.fast <= wait <= PATIENCE.slow
        assert due(task, quiet + 60) >= due(task, quiet)

    def test_an_hour_old_it_is_looked_at_once_a_minute(self):
        assert due(read(), 3600, covered(3590)) == at(3590) + PATIENCE.slow

    def test_while_a_client_waits_it_is_looked_at_without_delay(self):
        assert due(read(), 10, wanted(11, covered(5))) == at(5) + WANTED
        assert due(read(), 40, wanted(41, covered(35))) == at(35.6)
        # Who waits for long does not mind a second, as long as what he reads is fresh.
        assert due(read(), 3600, wanted(3601, covered(3590))) == at(3590) + WANTED_SLOW
        assert PATIENCE.fresh > WANTED_SLOW
        assert due(read(), 3600, wanted(3599, covered(3590))) == at(3590) + PATIENCE.slow

    def test_while_somebody_waits_here_it_is_looked_at_as_often_as_an_engine_would(self):
        polling = replace(covered(90).polling, waited_until=at(101))
        assert due(read(), 100, replace(SERVER, polling=polling)) == at(90) + WAITED
        assert due(read(), 102, replace(SERVER, polling=polling)) > at(90) + WAITED
        assert (
            due(read(), 100, wanted(101, replace(SERVER, polling=polling)))
            < at(90) + WAITED + WANTED
        )

    def test_and_never_later_than_without_a_client(self):
        hasty = Patience(fast=timedelta(seconds=0.1))
        assert due(read(), 0, wanted(9), hasty) == due(read(), 0, SERVER, hasty) == at(0.1)

    def test_a_server_that_calls_back_is_asked_for_what_it_has_not_told_of_for_long(self):
        assert due(told(seconds=3), 10, TELLER) == at(3) + PATIENCE.silence
        assert due(told(seconds=3).hear(RUNNING, CALLBACK, at(40)), 50, TELLER) == (
            at(40) + PATIENCE.silence
        )

    def test_or_not_answered_for(self):
        assert due(told(seconds=3), 50, covered(40, TELLER)) == at(40) + PATIENCE.silence

    def test_of_which_it_told_nothing_it_is_asked_as_any_server(self):
        assert due(TASK.join("r1", START), 0, TELLER) is None

    @pytest.mark.parametrize(
        ("said", "learnt", "trusted"),
        [
            (CallsBack.UNKNOWN, CallsBack.YES, True),
            (CallsBack.UNKNOWN, CallsBack.NO, False),
            (CallsBack.UNKNOWN, CallsBack.UNKNOWN, False),
            (CallsBack.NO, CallsBack.YES, False),
            (CallsBack.YES, CallsBack.NO, True),
        ],
    )
    def test_that_it_calls_back_is_learnt_unless_an_operator_says_it(self, said, learnt, trusted):
        server = replace(SERVER, calls_back=said, polling=Polling(learnt=learnt))
        assert (due(told(), 10, server) == START + PATIENCE.silence) == trusted

    @pytest.mark.parametrize("state", sorted(FINAL))
    @pytest.mark.parametrize("server", [SERVER, TELLER, covered(3600), wanted(9999)])
    def test_an_end_that_a_callback_told_is_looked_up_a_little_later(self, state, server):
        assert due(told(state, 3), 3, server) == at(3) + CONFIRM_AFTER

    @pytest.mark.parametrize("server", [SERVER, TELLER, covered(60), wanted(9999)])
    def test_a_missing_task_is_asked_for_again_when_that_could_mean_something(self, server):
        missing = told().miss(at(5))
        then = due(missing, 6, server)
        assert then == at(5) + MISSING_FOR
        assert missing.miss(then).state is State.SYSTEM_ERROR


class TestGivenUp:
    def test_an_end_that_no_server_ever_confirmed_is_believed_after_an_hour(self):
        ended = outlined(told(COMPLETE))
        assert not ended.is_given_up(START + UNCONFIRMED)
        assert ended.is_given_up(START + UNCONFIRMED + timedelta(milliseconds=1))

    @pytest.mark.parametrize("state", UNDER_WAY)
    def test_what_is_under_way_never_is(self, state):
        assert not outlined(told(state)).is_given_up(at(10**8))

    def test_nor_is_what_nobody_heard_of(self):
        assert not outlined(TASK).is_given_up(at(10**8))


class TestFresh:
    def fresh(self, task: Task, now: float, server: Server = SERVER) -> bool:
        return is_fresh(task, server, PATIENCE, at(now))

    def test_what_the_server_just_said_is(self):
        assert self.fresh(read(seconds=3), 5)
        assert not self.fresh(read(seconds=3), 5.001)

    def test_also_where_it_said_so_of_all_tasks_at_once(self):
        assert self.fresh(read(seconds=3), 60, covered(58))
        assert not self.fresh(read(seconds=3), 61, covered(58))

    def test_what_a_server_that_calls_back_told_is_until_it_was_silent_for_long(self):
        assert self.fresh(told(seconds=3), 63, TELLER)
        assert not self.fresh(told(seconds=3), 63.001, TELLER)
        assert not self.fresh(told(seconds=3), 3, SERVER)

    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_an_end_is_for_good(self, state):
        assert self.fresh(told(state), 10**6)

    def test_one_of_which_nothing_is_known_is_not(self):
        assert not self.fresh(TASK.join("r1", START), 0, covered(1, TELLER))

    @pytest.mark.parametrize("server", [SERVER, TELLER, covered(2)])
    def test_one_that_the_server_did_not_find_is_not(self, server):
        assert not self.fresh(read(seconds=1).miss(at(2)), 2, server)

    def test_less_long_where_nobody_asks_but_clients(self):
        passing = replace(SERVER, access=Access.PASS)
        wanted = WANTED.total_seconds()
        assert self.fresh(read(seconds=3), 3 + wanted, passing)
        assert not self.fresh(read(seconds=3), 3.1 + wanted, passing)
        assert self.fresh(read(seconds=3), 3.1 + wanted, replace(passing, credentials="ours"))

    @given(
        state=st.sampled_from(UNDER_WAY),
        read_at=st.integers(0, 1000),
        covered_at=st.integers(0, 1000),
        age=st.integers(0, 10),
    )
    def test_it_is_as_old_as_what_the_server_said_last(self, state, read_at, covered_at, age):
        now = max(read_at, covered_at) + age
        is_young = timedelta(seconds=age) <= PATIENCE.fresh
        assert self.fresh(read(state, read_at), now, covered(covered_at)) == is_young


@given(seconds=st.lists(SECONDS, min_size=1, max_size=6))
def test_an_outline_says_what_the_task_says(seconds):
    task = TASK.tag()
    for number, second in enumerate(seconds):
        task = task.hear((QUEUED, RUNNING)[number % 2], CALLBACK, at(second))
    outline = outlined(task)
    assert isinstance(outline, Unsettled)
    assert (outline.key, outline.state, outline.seq) == (task.key, task.state, task.seq)
    assert outline.began_at == at(seconds[0])
    assert (outline.updated_at, outline.heard_at) == (task.updated_at, task.heard_at)
    assert outline.is_tagged
