from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.retry import DEFAULT_SCHEDULE, JITTER, MAX_RETRY_AFTER, RetryPolicy

CHANCE = st.floats(0, 1, exclude_max=True)
SCHEDULES = st.lists(st.floats(0, 86400), min_size=1, max_size=12).map(tuple)
WAITS = st.timedeltas(timedelta(), timedelta(days=400))


def test_the_first_attempt_is_made_at_once():
    assert RetryPolicy().delay(0, 0.99) == timedelta()


@given(schedule=SCHEDULES, chance=CHANCE)
def test_there_are_as_many_attempts_as_the_schedule_has_entries(schedule, chance):
    policy = RetryPolicy(schedule)
    delays = [policy.delay(failures, chance) for failures in range(len(schedule) + 2)]
    assert [delay is None for delay in delays] == [False] * len(schedule) + [True, True]


@given(failures=st.integers(1, len(DEFAULT_SCHEDULE) - 1), chance=CHANCE)
def test_a_delay_is_spread_by_a_fifth_to_both_sides(failures, chance):
    delay = RetryPolicy().delay(failures, chance)
    planned = DEFAULT_SCHEDULE[failures]
    assert delay is not None
    assert planned * (1 - JITTER) <= delay.total_seconds() <= planned * (1 + JITTER)


@given(failures=st.integers(0, len(DEFAULT_SCHEDULE) - 1), chance=CHANCE, wait=WAITS)
def test_retry_after_lengthens_a_delay_up_to_a_day_and_never_shortens_it(failures, chance, wait):
    planned = RetryPolicy().delay(failures, chance)
    delay = RetryPolicy().delay(failures, chance, wait)
    assert planned is not None
    assert delay == max(planned, min(wait, MAX_RETRY_AFTER))


def test_retry_after_earns_no_further_attempt():
    assert RetryPolicy((0, 5)).delay(2, 0.5, timedelta(seconds=1)) is None
