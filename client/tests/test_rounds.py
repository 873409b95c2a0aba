"""In a round those jobs are looked at whose end was told, and those not looked at for long."""

from callback_client.mends.rounds import AT_ONCE, Rounds

JOBS = [f"job-{number}" for number in range(3 * AT_ONCE)]


def test_whose_end_was_told_is_looked_at_once():
    rounds = Rounds()
    assert rounds.due(JOBS, {"job-7", "job-9"}, 60, 0) == {"job-7", "job-9"}
    assert rounds.due(JOBS, (), 60, 1) == set()


def test_an_end_is_told_before_the_job_is_known():
    rounds = Rounds()
    assert rounds.due(["job-1"], {"job-2"}, 60, 0) == set()
    assert rounds.due(["job-1", "job-2"], (), 60, 1) == {"job-2"}


def test_who_was_not_looked_at_for_long_is_some_at_a_time_and_each_in_turn():
    rounds = Rounds()
    assert rounds.due(JOBS, (), 10, 0) == set()
    looked_at = [rounds.due(JOBS, (), 10, now) for now in (10, 11, 12, 13)]
    assert [len(one) for one in looked_at] == [AT_ONCE, AT_ONCE, AT_ONCE, 0]
    assert set().union(*looked_at) == set(JOBS)


def test_what_is_told_waits_for_nobody():
    rounds = Rounds()
    rounds.due(JOBS, (), 10, 0)
    assert JOBS[-1] in rounds.due(JOBS, {JOBS[-1]}, 10, 10)


def test_the_end_of_patience_comes_with_less_of_it():
    rounds = Rounds()
    rounds.due(JOBS[:2], (), 60, 0)
    assert rounds.due(JOBS[:2], (), 60, 20) == set()
    assert rounds.due(JOBS[:2], (), 10, 20) == set(JOBS[:2])
