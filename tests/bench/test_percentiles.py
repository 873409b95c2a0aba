from hypothesis import given
from hypothesis import strategies as st

from bench.percentiles import milliseconds, percentile

VALUES = st.lists(st.floats(0, 1e6), min_size=1)
SHARES = st.floats(0, 1)


def test_it_is_the_nearest_rank():
    hundred = range(100, 0, -1)
    assert [percentile(hundred, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]


def test_nothing_has_none():
    assert percentile([], 0.5) is None
    assert milliseconds([]) == {"p50": None, "p99": None}


@given(values=VALUES, share=SHARES)
def test_it_is_one_of_the_values_and_so_many_are_not_above_it(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_seconds_are_shown_as_milliseconds():
    assert milliseconds([0.001, 0.0123]) == {"p50": 1.0, "p99": 12.3}
