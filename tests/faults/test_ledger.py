"""A ledger that finds nothing wrong must be unable to overlook it."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.ledger import open_ledger
from tests.faults.records import Attempt, Delivery, Move, Stored, Told

RUN, TASK = "run", "task"
STATES = ["QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETE"]


def attempts(*states, status=204):
    return [Attempt(RUN, TASK, state, n, n + 0.5, status) for n, state in enumerate(states)]


def stored(*states, runs=(RUN,)):
    history = tuple(Move(seq, state) for seq, state in enumerate(states, 1))
    return [Stored(TASK, runs, history, {}, ())]


def delivery(*told, run=RUN, status=204, webhook_id=None, is_signed=True):
    updates = tuple(Told(TASK, seq, state) for seq, state in told)
    return Delivery(9.0, run, webhook_id or f"msg-{told}", status, is_signed, updates)


def told(*states):
    return [delivery(update) for update in enumerate(states, 1)]


def found(sent, documents, deliveries):
    totals = asdict(open_ledger(sent, documents, deliveries).totals())
    wrong = ("lost", "untold", "out_of_order", "strange", "unsigned", "renamed")
    return {name: totals[name] for name in wrong if totals[name]}


def test_where_everything_was_told_once_nothing_is_found():
    ledger = open_ledger(attempts(*STATES), stored(*STATES), told(*STATES))
    assert found(attempts(*STATES), stored(*STATES), told(*STATES)) == {}
    assert ledger.imbalances(len(STATES), len(STATES)) == []
    assert not list(ledger.suspects())


@given(gone=st.integers(0, len(STATES) - 1))
def test_any_acknowledged_callback_that_is_not_stored_is_lost(gone):
    rest = STATES[:gone] + STATES[gone + 1 :]
    # What comes back to a state that it never left has not moved.
    kept = [state for n, state in enumerate(rest) if n == 0 or rest[n - 1] != state]
    assert found(attempts(*STATES), stored(*kept), told(*kept))["lost"] > 0


def test_a_task_of_which_nothing_is_stored_is_lost():
    assert found(attempts("RUNNING"), [], [])["lost"] == 1


@given(gone=st.integers(1, len(STATES)))
def test_any_stored_move_that_was_not_told_is_found(gone):
    came = [delivery((seq, state)) for seq, state in enumerate(STATES, 1) if seq != gone]
    wrong = found(attempts(*STATES), stored(*STATES), came)
    assert wrong["untold"] == 1
    assert ("out_of_order" in wrong) == (gone < len(STATES))


def test_what_a_receiver_refused_it_was_not_told():
    assert found(attempts("RUNNING"), stored("RUNNING"), [delivery((1, "RUNNING"), status=503)])


def test_repeats_are_counted_and_allowed():
    came = [*told("QUEUED", "RUNNING"), delivery((1, "QUEUED"))]
    ledger = open_ledger(attempts("QUEUED", "RUNNING"), stored("QUEUED", "RUNNING"), came)
    assert ledger.totals().repeated == 1
    assert ledger.totals().out_of_order == 0
    assert ledger.imbalances(2, 3) == []


def test_a_repeat_under_another_id_is_found():
    came = [delivery((1, "RUNNING"), webhook_id=one) for one in ("a", "b")]
    assert found(attempts("RUNNING"), stored("RUNNING"), came) == {"renamed": 1}


def test_an_update_that_changed_is_out_of_order_and_strange():
    came = [*told("RUNNING"), delivery((1, "QUEUED"))]
    assert found(attempts("RUNNING"), stored("RUNNING"), came) == {"out_of_order": 1, "strange": 1}


def test_a_callback_without_an_answer_may_be_stored_or_not():
    sent = attempts("QUEUED") + attempts("RUNNING", status=0)
    for kept in (["QUEUED"], ["QUEUED", "RUNNING"]):
        assert found(sent, stored(*kept), told(*kept)) == {}


def test_one_that_was_answered_late_may_come_after_its_repetition():
    """Its process was stopped meanwhile: the task went back, for all that anybody can know."""
    sent = attempts("QUEUED", status=0) + attempts("QUEUED", "RUNNING", "COMPLETE")
    kept = ["QUEUED", "RUNNING", "QUEUED", "COMPLETE"]
    assert found(sent, stored(*kept), told(*kept)) == {}


@pytest.mark.parametrize("status", [0, 204])
def test_what_nobody_sent_does_not_balance(status):
    sent, kept = attempts("QUEUED", status=status), ["QUEUED", "CANCELED"]
    ledger = open_ledger(sent, stored(*kept), told(*kept))
    assert ledger.imbalances(1, 2) == ["task: CANCELED is stored, and nobody sent it"]


def test_what_is_not_stored_must_not_be_told():
    assert found([], [], told("RUNNING")) == {"strange": 1}


def test_counts_that_differ_do_not_balance():
    ledger = open_ledger(attempts("RUNNING"), stored("RUNNING"), told("RUNNING"))
    assert ledger.imbalances(2, 3) == ["sent: 2 != 1", "delivered: 3 != 1"]


def test_every_run_that_follows_a_task_has_a_book_of_its_own():
    came = told("RUNNING")
    wrong = found(attempts("RUNNING"), stored("RUNNING", runs=(RUN, "other")), came)
    assert wrong == {"untold": 1}


def test_unsigned_deliveries_are_found():
    came = [delivery((1, "RUNNING"), is_signed=False)]
    assert found(attempts("RUNNING"), stored("RUNNING"), came) == {"unsigned": 1}
