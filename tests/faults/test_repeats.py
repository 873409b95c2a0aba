"""A repeat is excused by a crash after which nobody could know that it had been told."""

import pytest

from tests.faults.ledger import open_ledger
from tests.faults.records import Delivery, Told
from tests.faults.repeats import unexcused


def ledger(*deliveries, status=204):
    return open_ledger(
        [],
        [],
        [Delivery(at, "run", one, status, True, (Told("a", 1, "X"),)) for at, one in deliveries],
    )


@pytest.mark.parametrize(
    ("crashes", "deliveries", "count"),
    [
        ([], [(1, "a"), (2, "b")], 0),
        ([], [(1, "a"), (2, "a")], 1),
        ([1.5], [(1, "a"), (2, "a")], 0),
        ([-9, 2.5], [(1, "a"), (2, "a")], 1),
        ([1.5], [(1, "a"), (6, "a"), (12, "a")], 1),
        ([1.5, 2.5], [(1, "a"), (2, "a"), (3, "a")], 0),
        # It was written down, for something newer came in between.
        ([2.5], [(1, "a"), (2, "b"), (3, "a")], 1),
    ],
)
def test_only_what_was_in_flight_may_be_told_again(crashes, deliveries, count):
    assert len(unexcused(crashes, ledger(*deliveries))) == count


def test_what_was_refused_is_no_repeat():
    assert unexcused([], ledger((1, "a"), (2, "a"), status=503)) == []


@pytest.mark.parametrize(("ids", "count"), [("aa", 0), ("aaa", 0), ("aba", 1)])
def test_a_busy_database_excuses_repeats_of_the_last_only(ids, count):
    told = ledger(*enumerate(ids))
    assert len(unexcused([], told, {"run"})) == count
    assert len(unexcused([], told, {"another"})) == len(ids) - len(set(ids))
