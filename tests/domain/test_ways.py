"""The cheapest way to learn how tasks stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.freshness import Unsettled
from callback_service.domain.states import FINAL, State
from callback_service.domain.task import TaskKey
from callback_service.domain.ways import (
    FEW,
    LARGEST_PAGE,
    PAGE,
    Needs,
    Way,
    cheapest,
    costs,
    needs_of,
    page_size,
)

EACH, TAGGED, STATES, ALL = Way
NEEDS = st.builds(
    lambda due, more, untagged, alone, states: Needs(
        due + more, due, min(untagged, due), min(alone, due), tuple(states)
    ),
    *[st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)],
    st.lists(st.sampled_from([State.QUEUED, State.RUNNING]), unique=True),
)
LISTED = st.dictionaries(st.sampled_from([TAGGED, STATES, ALL]), st.integers(1, 100))


def needs(due=100, *, more=0, untagged=0, alone=0, states=(State.RUNNING,)) -> Needs:
    return Needs(due + more, due, untagged, alone, tuple(states))


def way(wanted: Needs, *, lists=True, narrows=True, **listed: float) -> Way:
    known = {Way(name): cost for name, cost in listed.items()}
    return cheapest(wanted, costs(wanted, lists=lists, narrows=narrows, listed=known))


def unsettled(name: str, state: State = State.RUNNING, *, tagged=False, owner="a") -> Unsettled:
    nothing = dict.fromkeys(["began_at", "updated_at", "heard_at", "confirmed_at", "missing_at"])
    return Unsettled(TaskKey(owner, "tes", name), state, 1, is_tagged=tagged, **nothing)


class TestNeeds:
    def test_a_task_that_many_owners_follow_is_one(self):
        tasks = [unsettled("x", owner="a"), unsettled("x", owner="b")]
        assert needs_of(tasks, tasks) == Needs(1, 1, 1, 0, (State.RUNNING,))

    @pytest.mark.parametrize("state", [*sorted(FINAL), State.UNKNOWN])
    def test_what_is_in_no_list_by_state_is_asked_for_alone(self, state):
        tasks = [unsettled("x", state, tagged=True), unsettled("y", State.QUEUED, tagged=True)]
        assert needs_of(tasks, tasks[:1]) == Needs(2, 1, 0, 1, (State.QUEUED,))


class TestCheapest:
    @pytest.mark.parametrize("number", range(1, FEW + 1))
    def test_few_tasks_are_asked_for_one_by_one(self, number):
        assert way(needs(number)) is EACH

    def test_one_of_many_comes_with_the_list_of_all(self):
        """It costs as much, and tells of the others, too."""
        assert way(needs(1, more=50), narrows=False) is ALL

    def test_but_not_with_one_that_is_long(self):
        assert way(needs(1, more=50), narrows=False, all=5) is EACH

    def test_a_list_of_tagged_tasks_is_shorter_than_that_of_all(self):
        assert way(needs()) is TAGGED

    def test_those_without_a_tag_would_have_to_be_asked_for_besides(self):
        assert way(needs(untagged=3)) is ALL
        assert way(needs(untagged=3), all=6) is STATES
        assert way(needs(untagged=3, alone=5), all=6) is TAGGED

    def test_where_many_have_ended_the_list_of_a_state_is_the_shortest(self):
        assert way(needs(), tagged=5, all=5) is STATES
        assert way(needs(alone=40), tagged=5, all=5) is TAGGED

    def test_a_server_that_ignores_filters_is_asked_for_all(self):
        assert way(needs(), narrows=False) is ALL

    def test_without_lists_there_is_one_way(self):
        assert way(needs(), lists=False) is EACH

    @given(wanted=NEEDS, lists=st.booleans(), narrows=st.booleans(), listed=LISTED)
    def test_none_costs_less(self, wanted, lists, narrows, listed):
        found = costs(wanted, lists=lists, narrows=narrows, listed=listed)
        chosen = cheapest(wanted, found)
        assert wanted.open <= FEW or found[chosen] == min(found.values())
        assert lists or chosen is EACH
        assert narrows or chosen in {EACH, ALL}


@given(expected=st.integers(0, 10**6))
def test_a_page_is_large_enough_and_never_refused(expected):
    assert PAGE <= page_size(expected) <= LARGEST_PAGE
    assert page_size(expected) in {2 * expected, PAGE, LARGEST_PAGE}
