"""Whatever fails in between: no update is lost, none comes twice, those of a task are in order."""

import pytest
from callback_client import CallbackServiceError, ServiceUnreachable
from callback_client.updates import Page, Updates
from callback_client.values import Run
from callback_client.watching import Watching

from client.tests.test_updates import FakeClock, make

pytest.importorskip("hypothesis", reason="the oldest Python does without")
from hypothesis import given
from hypothesis import strategies as st

FAILURES = [
    ServiceUnreachable("away"),
    CallbackServiceError("busy", status=503, retry_after=1),
    CallbackServiceError("expired", status=410),
    CallbackServiceError("too many", status=429),
]


class Feed:
    """All that the service promises: in order per task, at least once, and now and then a no."""

    def __init__(self, items, choices):
        self.items = items
        self.choices = choices
        self.failed = 0

    def __call__(self, cursor):
        place = int(cursor or 0)
        fails, size, overlap = next(self.choices, (None, len(self.items) + 1, 0))
        if fails is not None and not (fails.status == 410 and cursor is None):
            raise fails
        end = min(place + size, len(self.items))
        first = max(place - overlap, 0)
        return Page(tuple(self.items[first:end]), str(end))


@st.composite
def feeds(draw):
    tasks = draw(st.lists(st.sampled_from("abc"), max_size=25))
    counts = {}
    items = []
    for task in tasks:
        counts[task] = counts.get(task, 0) + 1
        items.append(make(task, counts[task]))
    answers = st.tuples(
        st.none() | st.sampled_from(FAILURES), st.integers(1, 6), st.integers(0, 30)
    )
    return Feed(items, iter(draw(st.lists(answers, max_size=30))))


def read(feed, wanted, cursor=None):
    """Reads until everything wanted was seen; gives up after an hour that does not pass."""
    clock = FakeClock()
    updates = Updates(feed, cursor=cursor, clock=clock, stop=lambda: clock.time > 3600)
    found = []
    while not set(wanted) <= set(found):
        update = next(updates, None)
        if update is None:
            break
        found.append(update)
    return found, updates.cursor


@given(feeds())
def test_each_update_comes_once_and_in_order(feed):
    found, _ = read(feed, feed.items)
    assert found == feed.items


@given(feeds())
def test_who_watches_is_told_everything_once_and_then_it_ends(feed):
    """Though tasks may seem to have ended before they have: what is told in between counts."""
    ended = [make(task, 26, final=True) for task in "abc"]
    feed.items += ended
    run = Run("r0", tasks={"COMPLETE": 3})
    watching = Watching(lambda cursor, _: feed(cursor), lambda: run, wait=0, until_final=True)
    clock = FakeClock()
    updates = Updates(watching, clock=clock, stop=lambda: clock.time > 3600)
    assert list(updates) == feed.items
    assert clock.time < 3600


@given(feeds(), st.data())
def test_a_program_that_dies_anywhere_misses_nothing(feed, data):
    first, cursor = read(feed, feed.items[: data.draw(st.integers(0, len(feed.items)))])
    rest, _ = read(feed, set(feed.items) - set(first), cursor)
    assert set(first) | set(rest) == set(feed.items)
    for task in "abc":
        told = [update.seq for update in rest if update.task_id == task]
        assert told == sorted(set(told))
