from dataclasses import fields, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.polling import (
    FIRST_BACKOFF,
    JITTER,
    LONGEST_BACKOFF,
    LONGEST_WAIT,
    SAMPLES,
    TOLD,
    UNTOLD,
    Budget,
    CallsBack,
    Filters,
    Polling,
)
from tests.fakes.clock import START

BUDGET = Budget(per_second=1, saved=5)
SECOND = timedelta(seconds=1)
# Requests, and how long after the ones before.
SPENDINGS = st.lists(st.tuples(st.integers(1, 8), st.floats(0, 20)), max_size=20)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class TestFree:
    def test_a_server_that_nobody_asked_yet_is_free(self):
        assert Polling().is_free(START)

    def test_it_is_not_while_somebody_holds_it(self):
        polling = Polling(held_until=at(5))
        assert not polling.is_free(at(4.999))
        assert polling.is_free(at(5))

    def test_it_is_not_while_it_is_left_alone(self):
        polling = Polling(next_at=at(5))
        assert not polling.is_free(at(4.999))
        assert polling.is_free(at(5))

    def test_it_is_wanted_for_a_while(self):
        assert not Polling().is_wanted(START)
        assert Polling(wanted_until=at(5)).is_wanted(at(4.999))
        assert not Polling(wanted_until=at(5)).is_wanted(at(5))


class TestBudget:
    def test_while_clients_wait_there_is_more_of_it(self):
        budget = replace(BUDGET, wanted_per_second=4)
        polling = Polling(wanted_until=START + timedelta(seconds=10))
        for tenths in range(100):
            now = START + timedelta(seconds=tenths / 10)
            if polling.affordable_at(now, budget) <= now:
                polling = polling.spend(1, now, budget)
        # The first ones at once, ten a second, until what was saved is used up.
        assert 4 * 10 + 4 * BUDGET.saved - 1 <= polling.requests <= 4 * 10 + 4 * BUDGET.saved

    def test_but_never_less(self):
        polling = Polling(wanted_until=START + timedelta(seconds=10))
        assert polling.allowance(START, replace(BUDGET, wanted_per_second=0.1)) == BUDGET.saved

    def test_what_was_spent_meanwhile_is_no_debt_for_long(self):
        budget = replace(BUDGET, wanted_per_second=4)
        wanted = Polling(wanted_until=START + timedelta(seconds=1))
        spent = wanted.spend(wanted.allowance(START, budget), START, budget)
        assert spent.affordable_at(START, budget) > START
        calm = START + timedelta(seconds=1)
        assert spent.affordable_at(calm, budget) <= calm + BUDGET.saved * BUDGET.price

    def test_what_was_saved_up_can_be_spent_at_once_and_no_more(self):
        polling = Polling()
        for _ in range(BUDGET.saved):
            assert polling.affordable_at(START, BUDGET) == START
            polling = polling.spend(1, START, BUDGET)
        assert polling.affordable_at(START, BUDGET) == at(1)

    def test_it_is_saved_up_again_to_the_same_height(self):
        spent = Polling().spend(BUDGET.saved, START, BUDGET)
        assert spent.affordable_at(at(1), BUDGET) == at(1)
        assert spent.spend(BUDGET.saved, at(1000), BUDGET).paid_until == at(1000 + BUDGET.saved)

    @given(spendings=SPENDINGS)
    def test_however_it_is_spent_it_is_one_a_second_in_the_long_run(self, spendings):
        polling, now, total = Polling(), START, 0
        for requests, pause in spendings:
            now = polling.affordable_at(now + timedelta(seconds=round(pause, 3)), BUDGET)
            polling = polling.spend(requests, now, BUDGET)
            total += requests
        # The last one may have been larger than what was left.
        last = spendings[-1][0] if spendings else 0
        assert polling.requests == total
        assert total - last <= BUDGET.saved - 1 + (now - START) / SECOND

    @given(spendings=SPENDINGS, per_second=st.floats(0.1, 50), saved=st.integers(1, 50))
    def test_it_always_becomes_affordable_again_and_then_is(self, spendings, per_second, saved):
        budget, polling, now = Budget(per_second, saved), Polling(), START
        for requests, _ in spendings:
            polling = polling.spend(requests, now, budget)
        then = polling.affordable_at(now, budget)
        assert then >= now
        assert polling.affordable_at(then, budget) == then

    @given(
        spent=st.integers(0, 100),
        pause=st.integers(0, 10**5),
        per_second=st.floats(0.1, 50),
        saved=st.integers(1, 50),
    )
    def test_what_is_allowed_at_once_is_what_is_affordable_now(
        self, spent, pause, per_second, saved
    ):
        budget = Budget(per_second, saved)
        polling = Polling().spend(spent, START, budget) if spent else Polling()
        now = START + timedelta(milliseconds=pause)
        allowed = polling.allowance(now, budget)
        assert 0 <= allowed <= saved
        affordable = range(1, saved + 1)
        assert allowed == sum(
            polling.affordable_at(now, budget, number) == now for number in affordable
        )


class TestOutcome:
    def test_a_poll_that_went_well_clears_the_fault(self):
        failed = Polling().fail("down", START, 0.5)
        polling = failed.succeed(at(9), is_cover=False)
        assert polling == Polling(polled_at=at(9))

    def test_one_that_asked_for_every_open_task_covers_them_from_its_beginning(self):
        assert Polling().succeed(at(9), is_cover=True).covered_at == at(9)
        assert Polling(covered_at=at(1)).succeed(at(9), is_cover=False).covered_at == at(1)

    def test_after_a_failure_it_is_left_alone_and_says_why(self):
        polling = Polling(covered_at=at(1)).fail("refused", START, 0.5)
        assert polling == Polling(
            covered_at=at(1), failures=1, error="refused", next_at=START + FIRST_BACKOFF
        )

    @given(failures=st.integers(0, 10**4), chance=st.floats(0, 1, exclude_max=True))
    def test_for_twice_as_long_each_time_within_bounds_and_not_all_at_once(self, failures, chance):
        polling = Polling(failures=failures).fail("down", START, chance)
        assert polling.next_at is not None
        wait = polling.next_at - START
        plain = min(FIRST_BACKOFF * 2 ** min(failures, 30), LONGEST_BACKOFF)
        assert plain * (1 - JITTER) <= wait <= plain * (1 + JITTER)

    def test_who_takes_long_to_answer_is_left_alone_for_as_long(self):
        polling = Polling().succeed(START, is_cover=True, took=4 * SECOND)
        assert polling.next_at == at(8)

    @given(took=st.timedeltas(SECOND, timedelta(days=1)))
    def test_but_not_for_ever(self, took):
        polling = Polling().succeed(START, is_cover=True, took=took)
        assert polling.next_at is not None
        assert polling.next_at - (START + took) <= LONGEST_BACKOFF

    @pytest.mark.parametrize(
        ("wait", "granted"),
        [
            (timedelta(), FIRST_BACKOFF),
            (FIRST_BACKOFF / 2, FIRST_BACKOFF),
            (30 * SECOND, 30 * SECOND),
            (timedelta(days=1), LONGEST_WAIT),
        ],
    )
    def test_a_server_that_asks_to_be_left_alone_is_within_bounds(self, wait, granted):
        assert Polling().fail("busy", START, 0.5, wait).next_at == START + granted

    @given(chances=st.tuples(st.floats(0, 0.5), st.floats(0.5, 0.99)))
    def test_chance_spreads_it(self, chances):
        early, late = (Polling(failures=5).fail("down", START, chance) for chance in chances)
        assert early.next_at <= late.next_at


class TestLearning:
    def test_a_server_that_told_before_it_was_asked_calls_back_which_takes_many_to_believe(self):
        """Whoever loses some of its callbacks may seem to lose none for a while."""
        polling = Polling().learn(told=TOLD - 1, found=0)
        assert polling.learnt is CallsBack.UNKNOWN
        assert polling.learn(told=1, found=0).learnt is CallsBack.YES

    def test_one_that_never_told_does_not_which_takes_a_few_to_believe(self):
        polling = Polling()
        for _ in range(UNTOLD - 1):
            polling = polling.learn(told=0, found=1)
            assert polling.learnt is CallsBack.UNKNOWN
        assert polling.learn(told=0, found=1).learnt is CallsBack.NO

    @pytest.mark.parametrize(
        ("told", "found", "learnt"),
        [(45, 5, CallsBack.YES), (40, 10, CallsBack.UNKNOWN), (1, 20, CallsBack.UNKNOWN)],
    )
    def test_one_that_loses_many_callbacks_is_not_trusted(self, told, found, learnt):
        assert Polling().learn(told=told, found=found).learnt is learnt

    def test_reads_that_brought_no_news_say_nothing(self):
        assert Polling(learnt=CallsBack.NO).learn(told=0, found=0).learnt is CallsBack.NO

    @given(news=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99))))
    def test_it_keeps_in_mind_no_more_than_it_needs(self, news):
        polling = Polling()
        for told, found in news:
            polling = polling.learn(told=told, found=found)
            assert 0 <= polling.told + polling.found <= SAMPLES

    @pytest.mark.parametrize(
        ("before", "news", "learnt"),
        [
            (CallsBack.NO, {"told": 1, "found": 0}, CallsBack.YES),
            (CallsBack.YES, {"told": 0, "found": 1}, CallsBack.NO),
        ],
    )
    def test_a_server_that_changes_its_ways_is_learnt_anew(self, before, news, learnt):
        """One that was restarted with other settings."""
        old = {"told": 0, "found": 1} if before is CallsBack.NO else {"told": 1, "found": 0}
        polling = Polling()
        for _ in range(10 * SAMPLES):
            polling = polling.learn(**old)
        assert polling.learnt is before
        for _ in range(10 * SAMPLES):
            polling = polling.learn(**news)
        assert polling.learnt is learnt


class TestForgetting:
    def test_a_server_that_moved_is_known_as_little_as_a_new_one(self):
        polling = Polling(
            claim=3,
            held_until=at(1),
            next_at=at(1),
            polled_at=at(1),
            covered_at=at(1),
            wanted_until=at(1),
            waited_until=at(1),
            paid_until=at(1),
            requests=9,
            failures=1,
            error="down",
            filters=Filters.IGNORED,
            told=1,
            found=1,
            learnt=CallsBack.YES,
        )
        new = Polling()
        assert all(
            getattr(polling, field.name) != getattr(new, field.name) for field in fields(new)
        )
        assert polling.forget() == replace(new, claim=4, requests=9)

    def test_whoever_is_asking_the_old_one_has_lost_the_claim(self):
        assert Polling(claim=3).forget().claim != 3
