"""How long a belief was wrong is seen to the instant, and what was acknowledged is looked for."""

import pytest

from tests.faults.beliefs import Span, undone_ends, unequal
from tests.faults.polls import Followed, needless
from tests.faults.records import Asked, Attempt, Move, Stored, Truth, Turn
from tests.faults.unordered import UnorderedBook

TRUTH = Truth("task", "run", (Turn(10, "QUEUED"), Turn(20, "RUNNING"), Turn(30, "COMPLETE")))


def spans(*believed, until=50):
    return [tuple(one)[1:] for one in unequal(TRUTH, [Turn(*one) for one in believed], until)]


def test_a_belief_that_follows_at_once_is_never_wrong():
    assert spans(*TRUTH.turns) == []


def test_a_belief_that_follows_late_is_wrong_until_then():
    believed = [(10, "QUEUED"), (24, "RUNNING"), (31, "COMPLETE")]
    assert spans(*believed) == [
        (20, 24, "RUNNING", ("QUEUED",)),
        (30, 31, "COMPLETE", ("RUNNING",)),
    ]


def test_what_nobody_knows_of_is_believed_to_be_nothing():
    assert spans((12, "QUEUED"), (20, "RUNNING"), (30, "COMPLETE")) == [
        (10, 12, "QUEUED", ("nothing",))
    ]


def test_one_wrong_belief_after_the_other_is_one_stretch_of_time():
    believed = [*TRUTH.turns, (32, "QUEUED"), (35, "RUNNING"), (39, "COMPLETE")]
    assert spans(*believed) == [(32, 39, "COMPLETE", ("QUEUED", "RUNNING"))]


def test_what_is_never_found_out_is_wrong_to_the_last():
    assert spans(*TRUTH.turns[:2])[-1] == (30, 50, "COMPLETE", ("RUNNING",))


def attempt(at, state="RUNNING", status=204):
    return Attempt("run", "task", state, at, at + 0.1, status)


def test_a_callback_in_the_midst_puts_off_the_time_from_which_is_counted():
    span = Span("task", 20, 30, "RUNNING", ("QUEUED",))
    assert span.after([attempt(5), attempt(24), attempt(31)]).seconds == pytest.approx(5.9)


def stored(*moves):
    history = tuple(Move(seq, *rest) for seq, rest in enumerate(moves, 1))
    return Stored("task", ("run",), history, {}, ())


def test_an_end_may_be_taken_back_by_the_server_only():
    ended = ("SYSTEM_ERROR", "callback", 1.0)
    assert undone_ends(stored(ended, ("RUNNING", "poll", 2.0))) == []
    assert undone_ends(stored(ended, ("RUNNING", "callback", 2.0)))


@pytest.mark.parametrize(
    ("state", "at", "lost"),
    [
        ("RUNNING", 24.0, []),
        ("QUEUED", 14.0, []),
        ("QUEUED", 24.0, ["QUEUED"]),
        ("QUEUED", 34.0, []),
        ("PAUSED", 24.0, ["PAUSED"]),
    ],
)
def test_what_was_acknowledged_was_believed_then_or_came_after_the_end(state, at, lost):
    moves = [(turn.state, "callback", turn.at) for turn in TRUTH.turns]
    book = UnorderedBook("run", "task", [attempt(at, state)], stored(*moves))
    assert book.lost() == lost


def asked_needlessly(*times, heard=(), settled_at=float("inf"), task="task", is_joined=True):
    followed = [Followed("task", 10.0, list(heard), settled_at, is_joined)]
    return [one.at for one in needless([Asked(at, task) for at in times], followed, silence=4.0)]


@pytest.mark.parametrize("task", ["task", None])
def test_a_read_of_what_was_just_told_is_needless(task):
    assert asked_needlessly(16.5, 18.9, 19.1, heard=[attempt(15)], task=task) == [16.5, 18.9]


def test_a_callback_that_was_refused_tells_nothing():
    assert asked_needlessly(16.5, heard=[attempt(15, status=503)]) == []


def test_what_is_followed_and_was_never_heard_of_may_be_asked_for():
    assert asked_needlessly(11) == []
    assert asked_needlessly(11, is_joined=False) == [11]


def test_an_end_is_read_once_when_the_server_has_settled():
    heard = [attempt(15, "COMPLETE")]
    assert asked_needlessly(17, 20, 24, heard=heard, settled_at=20) == [17, 24]


def test_a_list_has_a_cause_where_one_of_many_tasks_has():
    fresh = Followed("fresh", 10.0, [attempt(15)], 99.0)
    silent = Followed("silent", 10.0, [attempt(11)], 99.0)
    assert needless([Asked(16.5, None)], [fresh], 4.0)
    assert not needless([Asked(16.5, None)], [fresh, silent], 4.0)
