"""What is made of a run's updates: times per state, what failed, and when the rest will end."""

from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.states import FINAL, State
from callback_service.entrypoints.cli.watch.progress import Progress

START = datetime(2025, 6, 12, 14, 30, tzinfo=UTC).timestamp()
OPEN = [state for state in State if state not in FINAL and state is not State.UNKNOWN]


def update(task, seq, state, at, previous="UNKNOWN"):
    return {
        "server": "default",
        "task_id": task,
        "seq": seq,
        "state": str(state),
        "previous": str(previous),
        "at": datetime.fromtimestamp(START + at, UTC).isoformat(),
        "final": State(state).is_final,
    }


def told(*updates):
    progress = Progress()
    for one in updates:
        progress.take(one)
    return progress


def life(task, began, *stays, end="COMPLETE"):
    """A task that was QUEUED, RUNNING… for so many seconds each, and has ended then."""
    updates, at, states = [], began, ["QUEUED", "RUNNING", "PAUSED"]
    for seq, (state, stay) in enumerate(zip(states, stays, strict=False), 1):
        updates.append(update(task, seq, state, at))
        at += stay
    return [*updates, update(task, len(stays) + 1, end, at)]


@st.composite
def histories(draw):
    """Of some tasks, each in its order: the times of a task never go back."""
    found = []
    for task in draw(st.sets(st.sampled_from("abcde"))):
        moves = st.tuples(st.sampled_from([*OPEN, *FINAL]), st.integers(0, 500))
        at, previous, history = 0, "UNKNOWN", []
        for seq, (state, pause) in enumerate(draw(st.lists(moves, min_size=1, max_size=6)), 1):
            at += pause
            history.append(update(task, seq, state, at, previous))
            previous = state
        found.append(history)
    return found


@st.composite
def interleaved(draw, of):
    """As the feed may bring them: any order between tasks, and now and then a repeat."""
    left = [list(history) for history in of]
    order = []
    while any(left):
        history = draw(st.sampled_from([one for one in left if one]))
        order.append(history.pop(0))
        if draw(st.booleans()):
            order.append(draw(st.sampled_from(order)))
    return order


def everything(progress, now):
    return (
        progress.rows(9, now),
        progress.estimate(9, now),
        {(one.id, one.state, one.since, one.ended) for one in progress.tasks()},
        {one.id for one in progress.failures()},
        progress.open,
        progress.span(now),
        sorted((one.at, one.task_id, one.state) for one in progress.changes(200)),
    )


@given(st.data())
def test_the_order_between_tasks_and_repeats_change_nothing(data):
    of = data.draw(histories())
    plain = told(*(one for history in of for one in history))
    mixed = told(*data.draw(interleaved(of)))
    now = START + data.draw(st.integers(0, 5000))
    assert everything(mixed, now) == everything(plain, now)


@given(histories(), st.integers(0, 9), st.integers(0, 5000))
def test_rows_say_where_each_task_is_and_how_long_tasks_were_there(of, more, later):
    total = len(of) + more
    progress = told(*(one for history in of for one in history))
    rows = {row.state: row for row in progress.rows(total, START + later)}
    assert sum(row.tasks for row in rows.values()) == total
    assert sum(row.tasks for row in rows.values() if row.state in FINAL) == progress.ended
    for state in OPEN:
        stays = [
            datetime.fromisoformat(after["at"]) - datetime.fromisoformat(before["at"])
            for history in of
            for before, after in pairwise(history)
            if before["state"] == state
        ]
        passed = [stay.total_seconds() for stay in stays]
        if state not in rows:
            assert not passed
            continue
        assert rows[state].median == (median(passed) if passed else None)
        assert rows[state].longest >= max(passed, default=0)
        if not rows[state].tasks:
            assert rows[state].longest == max(passed)
    for state in FINAL & rows.keys():
        assert (rows[state].median, rows[state].longest) == (None, None)


@given(histories(), st.integers(0, 9), st.integers(0, 5000), st.integers(0, 500))
def test_an_end_is_not_expected_sooner_for_nothing_having_ended(of, more, later, pause):
    progress = told(*(one for history in of for one in history))
    total = len(of) + more
    before = progress.estimate(total, START + later)
    after = progress.estimate(total, START + later + pause)
    if after is not None:
        assert before is not None
        assert after.seconds >= before.seconds >= 0


@pytest.mark.parametrize(
    ("updates", "total"),
    [([], 0), ([], 5), (life("a", 0, 1, 2), 5), ([update("a", 1, "QUEUED", 0)], 1)],
)
def test_without_a_base_nothing_is_estimated(updates, total):
    assert told(*updates).estimate(total, START + 60) is None


def test_what_ends_steadily_is_expected_to_go_on():
    """One every ten seconds, ninety are left."""
    progress = told(*(one for n in range(10) for one in life(f"t{n}", 10 * n, 0, 10)))
    found = progress.estimate(100, START + 100)
    # In the last two lives of tasks three have ended, one of them just when they began.
    assert found.seconds == pytest.approx(900, rel=0.5)
    assert found.rate * found.seconds == pytest.approx(90)


def test_what_ends_in_bursts_is_expected_on_the_average():
    """Four at once, each takes ten seconds: the sixth burst of ten has just ended."""
    tasks = (life(f"{burst}.{n}", 10 * burst, 0, 10) for burst in range(6) for n in range(4))
    found = told(*(one for task in tasks for one in task)).estimate(40, START + 60.5)
    assert 20 <= found.seconds <= 45


def test_a_standstill_is_no_base():
    progress = told(*life("a", 0, 1, 9), *life("b", 0, 1, 9), update("c", 1, "RUNNING", 0))
    assert progress.estimate(3, START + 11) is not None
    assert progress.estimate(3, START + 60) is None


def test_the_longest_stay_may_be_one_that_goes_on():
    progress = told(*life("a", 0, 2, 5), update("b", 1, "RUNNING", 3))
    (queued, running, complete) = progress.rows(2, START + 40)
    assert (queued.state, queued.tasks, queued.median, queued.longest) == ("QUEUED", 0, 2, 2)
    assert (running.state, running.tasks, running.median, running.longest) == ("RUNNING", 1, 5, 37)
    assert (complete.state, complete.tasks) == ("COMPLETE", 1)


def test_a_clock_that_is_behind_that_of_the_service_makes_no_time_negative():
    progress = told(*life("a", 100, 2, 5), *life("b", 100, 2, 5), update("c", 1, "RUNNING", 107))
    assert [row.longest for row in progress.rows(3, START)] == [2, 5, None]
    assert progress.estimate(3, START).seconds > 0
    assert progress.span(START) == 7


def test_an_end_that_is_corrected_stays_where_it_was():
    progress = told(*life("a", 0, 1, 1), update("a", 4, "SYSTEM_ERROR", 500, "COMPLETE"))
    (task,) = progress.failures()
    assert task.ended == START + 2
    assert progress.open == 0
    progress.take(update("a", 5, "RUNNING", 600, "SYSTEM_ERROR"))
    assert (progress.open, progress.failures()) == (1, [])


def test_changes_are_the_last_by_their_time_not_by_their_coming():
    progress = told(*life("a", 0, 100, 100), *life("b", 50, 100, 100))
    assert [(one.task_id, one.state) for one in progress.changes(3)] == [
        ("b", "COMPLETE"),
        ("a", "COMPLETE"),
        ("b", "RUNNING"),
    ]
    assert progress.changes(0) == []
