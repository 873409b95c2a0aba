import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from callback_service.domain.errors import Unavailable
from callback_service.relay.groups import GROUP_LIMIT, Groups

# Longer than any test here takes that does not hang.
LONG = 30.0


class Refused(Exception):
    """Says of which item it is the error."""


class Work:
    """Notes each group; is held up while `gate` is closed, and checks that it is alone."""

    def __init__(self) -> None:
        self.groups: list[list[object]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.has_begun = threading.Semaphore(0)
        self._is_busy = threading.Lock()

    def __call__(self, group: Sequence[object]) -> list[Exception | None]:
        assert self._is_busy.acquire(blocking=False), "two groups at once"
        try:
            self.groups.append(list(group))
            self.has_begun.release()
            assert self.gate.wait(LONG)
            return self.answer(group)
        finally:
            self._is_busy.release()

    def answer(self, group: Sequence[object]) -> list[Exception | None]:
        return [Refused(item) if str(item).startswith("bad") else None for item in group]


@pytest.fixture
def callers():
    with ThreadPoolExecutor(GROUP_LIMIT + 10) as executor:
        yield executor


class Crowd:
    """Callers who come while the first group is held up."""

    def __init__(self, work: Work, callers: ThreadPoolExecutor, **terms: Any) -> None:
        self.work = work
        self.groups = Groups(work, **terms)
        self.threads: dict[object, threading.Thread] = {}
        self._callers = callers
        work.gate.clear()
        self.first = callers.submit(self._submit, "first")
        assert work.has_begun.acquire(timeout=LONG)

    def _submit(self, item: object) -> None:
        self.threads[item] = threading.current_thread()
        self.groups.submit(item)

    def joined_by(self, *items: object) -> list[Future[None]]:
        """They come one after the other, and wait."""
        waiting = []
        for item in items:
            before = len(self.groups._waiting)  # noqa: SLF001  nothing else tells that a caller waits
            waiting.append(self._callers.submit(self._submit, item))
            while len(self.groups._waiting) == before:  # noqa: SLF001
                pass
        return waiting

    def let_go(self) -> None:
        self.work.gate.set()


def test_who_comes_alone_is_worked_off_at_once_in_its_own_thread():
    threads = []

    def work(group):
        threads.append(threading.current_thread())
        return [None] * len(group)

    Groups(work).submit("alone")
    assert threads == [threading.current_thread()]


def test_whoever_comes_while_a_group_is_under_way_forms_the_next(callers):
    crowd = Crowd(Work(), callers)
    waiting = crowd.joined_by("a", "b", "c")
    assert not any(one.done() for one in waiting)
    crowd.let_go()
    for one in (crowd.first, *waiting):
        one.result(LONG)
    assert crowd.work.groups == [["first"], ["a", "b", "c"]]


def test_a_group_carries_no_more_than_its_limit_and_the_rest_follows_in_order(callers):
    crowd = Crowd(Work(), callers)
    waiting = crowd.joined_by(*range(GROUP_LIMIT + 3))
    crowd.let_go()
    for one in waiting:
        one.result(LONG)
    assert crowd.work.groups[1:] == [
        list(range(GROUP_LIMIT)),
        list(range(GROUP_LIMIT, GROUP_LIMIT + 3)),
    ]


def test_an_error_reaches_the_caller_whose_item_it_is_and_nobody_else(callers):
    crowd = Crowd(Work(), callers)
    good, bad, fine, worse = crowd.joined_by("good", "bad", "fine", "bad too")
    crowd.let_go()
    assert good.result(LONG) is fine.result(LONG) is None
    with pytest.raises(Refused, match=r"^bad$"):
        bad.result(LONG)
    with pytest.raises(Refused, match="bad too"):
        worse.result(LONG)


class Exit(BaseException):
    """As a greenlet that is killed, or an interpreter that is told to exit, raises it."""


@pytest.mark.parametrize("error", [OSError("down"), Exit("killed")])
def test_a_group_that_fails_fails_for_all_of_its_callers_and_for_no_other_group(callers, error):
    class FailingOnce(Work):
        def answer(self, group):
            if "a" in group:
                raise error
            return super().answer(group)

    crowd = Crowd(FailingOnce(), callers)
    waiting = crowd.joined_by("a", "b")
    crowd.let_go()
    assert crowd.first.result(LONG) is None
    for one in waiting:
        assert one.exception(LONG) is error
    crowd.groups.submit("after")
    assert crowd.work.groups[-1] == ["after"]


class TestPatience:
    """Whoever comes is answered in so many seconds, whatever the groups before take of them."""

    def test_who_waits_for_a_group_that_hangs_is_told_so_in_time(self, callers):
        crowd = Crowd(Work(), callers, patience=0.2)
        waiting = crowd.joined_by(*range(GROUP_LIMIT + 3))
        for one in waiting:
            assert isinstance(one.exception(LONG), Unavailable)
        assert not crowd.first.done()
        crowd.let_go()
        crowd.groups.submit("after")
        # Who was told that he was not taken is not taken any more.
        assert crowd.work.groups == [["first"], ["after"]]

    def test_who_is_in_a_group_that_hangs_is_told_so_in_time(self, callers):
        """All but its leader, whose calls are bounded."""

        class HangingLater(Work):
            def answer(self, group):
                if "first" not in group:
                    assert later.wait(LONG)
                return super().answer(group)

        later = threading.Event()
        crowd = Crowd(HangingLater(), callers, patience=0.3)
        early, late = crowd.joined_by("early", "late")
        crowd.let_go()
        assert isinstance(early.exception(LONG), Unavailable)
        assert not late.done()
        later.set()
        assert late.result(LONG) is None
        assert crowd.work.groups == [["first"], ["early", "late"]]

    def test_a_group_has_as_much_time_as_the_last_of_its_callers(self, callers):
        granted = []

        @contextmanager
        def bound(seconds):
            granted.append(seconds)
            yield

        crowd = Crowd(Work(), callers, patience=LONG, bound=bound)
        (early,) = crowd.joined_by("early")
        time.sleep(0.3)
        came = time.monotonic()
        (late,) = crowd.joined_by("late")
        crowd.let_go()
        assert early.result(LONG) is late.result(LONG) is None
        used = time.monotonic() - came
        assert LONG - used <= granted[1] <= LONG

    def test_who_might_not_see_the_end_of_a_group_is_sent_away_before_it(self, callers):
        crowd = Crowd(Work(), callers, patience=2.0)
        (early,) = crowd.joined_by("early")
        time.sleep(1.55)
        (late,) = crowd.joined_by("late")
        crowd.let_go()
        assert isinstance(early.exception(LONG), Unavailable)
        assert late.result(LONG) is None
        assert crowd.work.groups == [["first"], ["late"]]

    def test_a_slow_store_gets_smaller_groups_until_it_is_quick_again(self, callers):
        """For whom no more can be done than its time allows, less of it is done at once."""
        crowd = Crowd(Work(), callers, patience=2.0)
        waiting = crowd.joined_by(*range(8))
        # A group has a quarter of the time: one was too much.
        time.sleep(0.6)
        crowd.let_go()
        for one in waiting:
            one.result(LONG)
        assert [len(group) for group in crowd.work.groups] == [1, 1, 2, 4, 1]

    def test_without_time_nobody_waits(self):
        Groups(Work(), patience=0.0).submit("alone")


def test_work_that_answers_for_too_few_fails_for_all(callers):
    class Forgetful(Work):
        def answer(self, group):
            return []

    with pytest.raises(ValueError, match="shorter"):
        Groups(Forgetful()).submit("a")


def test_two_hundred_callers_at_once_are_all_answered_once_by_one_group_at_a_time():
    work, numbers, threads, turns = Work(), count(), 200, 20
    groups = Groups(work)
    start = threading.Barrier(threads)
    refused = []

    def call() -> None:
        start.wait(LONG)
        for _ in range(turns):
            number = next(numbers)
            item = f"bad {number}" if number % 7 == 0 else number
            try:
                groups.submit(item)
            except Refused as error:
                refused.append(error.args[0])

    with ThreadPoolExecutor(threads) as executor:
        calls = [executor.submit(call) for _ in range(threads)]
        for one in calls:
            one.result(LONG)
    worked_off = [item for group in work.groups for item in group]
    assert len(worked_off) == threads * turns == len(set(worked_off))
    assert sorted(refused) == sorted(item for item in worked_off if isinstance(item, str))
    assert max(map(len, work.groups)) <= GROUP_LIMIT


def test_the_last_who_waits_leads_the_next_group_and_whoever_has_led_goes(callers):
    """It has the most time left, and the others may leave before."""
    leaders = []

    class Noting(Work):
        def answer(self, group):
            leaders.append(threading.current_thread())
            return super().answer(group)

    crowd = Crowd(Noting(), callers)
    second, third = crowd.joined_by("second", "third")
    crowd.let_go()
    for one in (crowd.first, second, third):
        one.result(LONG)
    assert leaders == [crowd.threads["first"], crowd.threads["third"]]
