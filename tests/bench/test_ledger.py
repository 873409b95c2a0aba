from hypothesis import given
from hypothesis import strategies as st

from bench.ledger import Arrived, Change, Ledger, Sent, balance, delays

CHANGES = st.builds(Change, st.sampled_from("abc"), st.sampled_from(["QUEUED", "RUNNING"]))


def sent(*changes, status=204):
    return [Sent(change, due=1.0, lag=0.0, answered=1.5, status=status) for change in changes]


def arrived(*changes, at=2.0):
    return [Arrived(change, at) for change in changes]


ONE, TWO = Change("a", "QUEUED"), Change("a", "RUNNING")


def test_what_arrived_once_is_told():
    ledger = balance(sent(ONE, TWO), arrived(TWO, ONE))
    assert ledger == Ledger(acknowledged=2, refused=0, told=2, repeated=0, lost=0, strange=0)
    assert ledger.is_balanced


def test_what_was_acknowledged_and_did_not_arrive_is_lost():
    ledger = balance(sent(ONE, TWO), arrived(ONE))
    assert ledger.lost == 1
    assert not ledger.is_balanced


def test_repeats_are_counted_and_allowed():
    ledger = balance(sent(ONE), arrived(ONE, ONE, ONE))
    assert (ledger.told, ledger.repeated) == (1, 2)
    assert ledger.is_balanced


def test_what_was_not_sent_is_strange():
    assert not balance(sent(ONE), arrived(ONE, TWO)).is_balanced


def test_what_was_refused_may_arrive_or_not():
    for came in (arrived(), arrived(ONE)):
        ledger = balance(sent(ONE, status=503), came)
        assert (ledger.refused, ledger.told, ledger.lost) == (1, 0, 0)
        assert ledger.is_balanced


@given(asked=st.sets(CHANGES), came=st.lists(CHANGES))
def test_every_change_has_one_place(asked, came):
    ledger = balance(sent(*asked), arrived(*came))
    assert ledger.acknowledged == ledger.told + ledger.lost
    assert len(came) == ledger.told + ledger.repeated + ledger.strange


def test_a_delay_is_from_when_it_was_due_to_its_first_arrival():
    assert delays(sent(ONE, TWO), arrived(ONE, at=4.0) + arrived(ONE, at=9.0)) == [3.0]
