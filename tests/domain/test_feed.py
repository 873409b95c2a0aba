import base64
import traceback
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callback_service.domain.errors import InvalidInput
from callback_service.domain.feed import SEEN_LIMIT, SETTLING, Place, rememberable
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from tests.fakes.clock import START

# To the millisecond, as the database keeps times.
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001  given its zone here
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
SEEN = st.dictionaries(st.binary(min_size=5, max_size=5), st.integers(0, 2**32 - 1), max_size=20)
PLACES = st.builds(Place, TIMES, st.text(max_size=600), SEEN, TIMES)
MADE = Place(START, "local/tesk/task-1", {b"12345": 7}, START).encode()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def task(name: str, *moves: float, joined: float | None = None) -> Task:
    """Followed by r1 from the start, or from when it `joined`; moved at each of these times."""
    made = Task(TaskKey("local", "tesk", name))
    if joined is None:
        made = made.join("r1", at(0))
    for number, seconds in enumerate(moves):
        state = (State.QUEUED, State.RUNNING)[number % 2]
        made = made.hear(state, Source.CALLBACK, at(seconds))
    return made if joined is None else made.join("r1", at(joined))


class TestCursor:
    @given(place=PLACES)
    def test_a_place_is_read_back_from_its_cursor(self, place):
        assert Place.decode(place.encode()) == place

    @given(place=PLACES)
    def test_a_cursor_needs_no_escaping_in_a_url(self, place):
        assert place.encode().replace("-", "").replace("_", "").isalnum()

    def test_a_full_one_fits_into_a_url(self):
        seen = {number.to_bytes(5, "big"): 2**32 - 1 for number in range(SEEN_LIMIT)}
        assert len(Place(START, "ü" * 512, seen, START).encode()) < 8000

    @given(cursor=st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
    @example(cursor="")
    @example(cursor="=")
    @example(cursor="ü")
    @example(cursor="\ud800")
    @example(cursor="AQ" * 4000)
    @example(cursor=base64.urlsafe_b64encode(b"\x01" + b"\xff" * 18).decode())
    def test_whatever_else_is_said_is_refused_or_a_place(self, cursor):
        with suppress(InvalidInput):
            place = Place.decode(cursor)
            assert Place.decode(place.encode()) == place

    @given(data=st.data())
    def test_a_damaged_one_too(self, data):
        raw = bytearray(base64.urlsafe_b64decode(MADE + "=" * (-len(MADE) % 4)))
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        length = data.draw(st.integers(0, len(raw)))
        with suppress(InvalidInput):
            Place.decode(base64.urlsafe_b64encode(bytes(raw[:length])).decode())

    @pytest.mark.parametrize("version", [0, 2, 255])
    def test_that_of_another_version_is_refused(self, version):
        raw = base64.urlsafe_b64decode(MADE + "=" * (-len(MADE) % 4))
        other = base64.urlsafe_b64encode(bytes([version]) + raw[1:]).decode()
        with pytest.raises(InvalidInput, match="not a cursor") as refusal:
            Place.decode(other)
        assert refusal.value.field == "after"


class TestPlace:
    def test_what_has_settled_is_passed_and_what_has_not_is_remembered(self):
        read = [task("a", 1), task("b", 2), task("c", 4.5)]
        place = Place().moved(read, at(5), is_end=True)
        assert (place.since, place.after) == (at(2), "local/tesk/b")
        assert place.new_items(read[2], "r1") == []
        assert len(place.seen) == 1

    def test_a_change_settles_when_a_write_can_no_longer_be_under_way(self):
        read = [task("a", 1)]
        before, then = at(1) + SETTLING - timedelta(milliseconds=1), at(1) + SETTLING
        assert Place().moved(read, before, is_end=True).since == Place().since
        assert Place().moved(read, then, is_end=True).since == at(1)

    def test_where_nothing_was_read_the_place_is_the_same(self):
        place = Place().moved([task("a", 1)], at(60), is_end=True)
        assert place.moved([], at(90), is_end=True) == place

    def test_of_a_task_that_moved_on_only_what_came_is_shown(self):
        place = Place().moved([task("a", 1)], at(2), is_end=True)
        assert [item.update.seq for item in place.new_items(task("a", 1, 3), "r1")] == [2]
        settled = Place().moved([task("a", 1), task("b", 2)], at(60), is_end=True)
        assert [item.update.seq for item in settled.new_items(task("a", 1, 61), "r1")] == [2]

    def test_of_a_task_that_was_joined_late_all_is_shown(self):
        place = Place().moved([task("b", 30)], at(60), is_end=True)
        items = place.new_items(task("a", 1, 2, joined=61), "r1")
        assert [item.update.seq for item in items] == [1, 2]

    def test_who_is_behind_is_shown_again_rather_than_never_what_moved_away_before_it(self):
        place = Place().moved([task("b", 3)], at(60), is_end=False)
        items = place.new_items(task("a", 2, 61), "r1")
        assert [item.update.seq for item in items] == [1, 2]

    def test_no_more_is_read_than_can_be_remembered(self):
        settled = [task(f"a{number:04}", 1) for number in range(5)]
        unsettled = [task(f"b{number:04}", 9) for number in range(SEEN_LIMIT + 5)]
        read = rememberable(settled + unsettled, at(10))
        assert len(read) == 5 + SEEN_LIMIT
        assert not Place().is_full
        assert Place().moved(read, at(10), is_end=False).is_full


def test_bad_cursors_leave_nothing_behind():
    """An exception that is raised again keeps the frames of the time before, and all they hold."""
    depths = set()
    for _ in range(3):
        with pytest.raises(InvalidInput) as raised:
            Place.decode("no cursor")
        depths.add(len(traceback.extract_tb(raised.value.__traceback__)))
    assert len(depths) == 1
