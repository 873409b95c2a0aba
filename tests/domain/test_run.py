from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.delivery import Answer, Verdict
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import LEASE, REWIND_TASKS, Failing, Lease, Rewind, Run, RunStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RUN = Run(
    id="r1",
    owner="local",
    server="default",
    created_at=NOW - timedelta(days=1),
    expires_at=NOW + timedelta(days=1),
    retry=RetryPolicy((0, 5, 60)),
)
TOLD, RETRIED, REFUSED, GONE = Answer(204), Answer(503), Answer(404), Answer(410)
ANSWERS = st.builds(Answer, st.none() | st.integers(200, 599))
CHANCE = st.floats(0, 1, exclude_max=True)


def test_a_told_run_forgets_its_failures():
    failed = RUN.after(RETRIED, NOW, 0.5)
    told = failed.after(TOLD, NOW + 5 * SECOND, 0.5)
    assert (told.failures, told.next_attempt_at, told.last_error) == (0, None, None)
    assert told.last_delivery_at == NOW + 5 * SECOND


def test_each_failure_waits_for_the_next_entry_of_the_schedule():
    first = RUN.after(RETRIED, NOW, 0.5)
    second = first.after(RETRIED, NOW, 0.5)
    assert (first.failures, first.next_attempt_at) == (1, NOW + 5 * SECOND)
    assert (second.failures, second.next_attempt_at) == (2, NOW + 60 * SECOND)
    assert second.last_error == "answered 503"


def test_retry_after_is_waited_for():
    busy = Answer(429, retry_after=timedelta(minutes=10))
    assert RUN.after(busy, NOW, 0.5).next_attempt_at == NOW + timedelta(minutes=10)


def test_a_run_whose_attempts_are_used_up_starts_afresh_at_once():
    last = replace(RUN, failures=2)
    spent = last.after(RETRIED, NOW, 0.5)
    assert last.is_spent_by(RETRIED)
    assert (spent.failures, spent.next_attempt_at) == (0, None)
    assert spent.is_due(NOW)


def test_a_refusal_spends_its_updates_at_once_and_the_run_goes_on():
    failing = replace(RUN, failures=1, next_attempt_at=NOW)
    refused = failing.after(REFUSED, NOW, 0.5)
    assert failing.is_spent_by(REFUSED)
    assert (refused.failures, refused.next_attempt_at) == (0, None)
    assert refused.is_due(NOW)
    assert refused.last_error == "answered 404"


def test_410_ends_the_telling_but_spends_nothing():
    gone = RUN.after(GONE, NOW, 0.5)
    assert gone.status is RunStatus.GONE
    assert not gone.is_due(NOW)
    assert not RUN.is_spent_by(GONE)


@given(failures=st.integers(0, 2), answer=ANSWERS, chance=CHANCE)
def test_updates_are_told_kept_for_another_try_or_spent_and_never_two_of_these(
    failures, answer, chance
):
    run = replace(RUN, failures=failures)
    after = run.after(answer, NOW, chance)
    told = answer.verdict is Verdict.TOLD
    kept = after.next_attempt_at is not None or after.status is RunStatus.GONE
    assert [told, kept, run.is_spent_by(answer)].count(True) == 1


@given(answers=st.lists(ANSWERS, max_size=20), chance=CHANCE)
def test_a_run_never_counts_more_failures_than_it_has_attempts(answers, chance):
    run = RUN
    for answer in answers:
        run = run.after(answer, NOW, chance)
        assert run.failures < len(run.retry.schedule)


@pytest.mark.parametrize(
    "change",
    [
        {"status": RunStatus.PAUSED},
        {"status": RunStatus.GONE},
        {"status": RunStatus.ENDING},
        {"expires_at": NOW},
        {"next_attempt_at": NOW + SECOND},
        {"lease": Lease(1, "other", NOW + SECOND)},
    ],
)
def test_nobody_delivers_to_a_run_that_is_not_active_waits_or_is_leased(change):
    assert RUN.is_due(NOW)
    assert not replace(RUN, **change).is_due(NOW)


def test_a_lease_by_a_clock_that_is_wrong_is_nobodys():
    assert replace(RUN, lease=Lease(1, "fast", NOW + timedelta(hours=1))).is_due(NOW)
    assert not replace(RUN, lease=Lease(1, "other", NOW + 9 * LEASE)).is_due(NOW)


def test_an_expired_lease_is_nobodys():
    assert replace(RUN, lease=Lease(1, "dead", NOW)).is_due(NOW)


def test_callbacks_are_taken_for_every_run_that_is_not_over():
    assert replace(RUN, status=RunStatus.PAUSED).is_open(NOW)
    assert replace(RUN, status=RunStatus.GONE).is_open(NOW)
    assert not replace(RUN, status=RunStatus.ENDING).is_open(NOW)
    assert not RUN.is_open(RUN.expires_at)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Rewind(), Rewind(NOW, ("a",)), Rewind()),
        (Rewind(NOW), Rewind(NOW - SECOND), Rewind(NOW - SECOND)),
        (Rewind(NOW, ("a",)), Rewind(NOW - SECOND), Rewind(NOW - SECOND)),
        (Rewind(NOW, ("a",)), Rewind(None, ("b",)), Rewind(None, ("a", "b"))),
        (Rewind(NOW, ("a", "b")), Rewind(NOW, ("b", "c")), Rewind(NOW, ("a", "b", "c"))),
    ],
)
def test_two_rewinds_together_cover_what_each_of_them_asks_for(one, other, both):
    assert one.together_with(other) == both
    swapped = other.together_with(one)
    assert (swapped.since, set(swapped.task_ids or ())) == (both.since, set(both.task_ids or ()))


def test_many_rewinds_of_a_paused_run_do_not_make_it_ever_larger():
    rewind = Rewind(NOW, ("a",))
    for number in range(REWIND_TASKS):
        rewind = rewind.together_with(Rewind(NOW, (f"task-{number}",)))
    assert rewind == Rewind(NOW, None)


FAILING = Failing("operator", NOW, "killed")


def test_a_run_that_was_marked_is_over_and_says_who_and_why():
    after = RUN.after_failing(FAILING, TOLD, NOW, 0.5)
    assert (after.status, after.next_attempt_at) == (RunStatus.GONE, None)
    assert after.last_error == "marked SYSTEM_ERROR by operator: killed"


def test_a_mark_that_failed_is_tried_again_as_often_as_anything():
    run, waits = RUN, 0
    while (run := run.after_failing(FAILING, RETRIED, NOW, 0.5)).next_attempt_at:
        waits += 1
    assert waits == len(RUN.retry.schedule) - 1
    assert run.last_error == "could not be marked SYSTEM_ERROR: answered 503"
    assert run.is_active


@given(ANSWERS, CHANCE)
def test_only_a_mark_that_was_told_or_is_wanted_by_nobody_ends_a_run(answer, chance):
    after = RUN.after_failing(FAILING, answer, NOW, chance)
    assert (after.status is RunStatus.GONE) == (answer.verdict in {Verdict.TOLD, Verdict.GONE})
