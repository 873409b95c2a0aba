import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Change
from callback_service.relay.record import run_topic, task_topic
from callback_service.relay.watch import LOOK_BACK, LOOK_EVERY, Watch
from tests.fakes.clock import START, FakeClock
from tests.fakes.store import FakeTasks

KEY = TaskKey("local", "tesk", "task-1")
# Longer than any test here takes that does not hang.
LONG = 30.0


class CountingTasks(FakeTasks):
    """Counts the looks at what changed; some of them may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.failures: list[Exception] = []

    def changed_since(self, since: datetime):
        self.looks += 1
        if self.failures:
            raise self.failures.pop()
        return super().changed_since(since)


class Question:
    """Answered once somebody says so; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_answered = False
        self.was_asked = threading.Event()

    def __call__(self) -> bool:
        self.asked += 1
        self.was_asked.set()
        return self.is_answered


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tasks() -> CountingTasks:
    return CountingTasks()


@pytest.fixture
def watch(tasks, clock) -> Watch:
    return Watch(tasks, clock)


@pytest.fixture
def change(tasks) -> Callable[[datetime], None]:
    """Another process lets the task, which r1 follows, move."""
    tasks.save([Change(None, Task(KEY).join("r1", START - timedelta(hours=1)))])

    def moved(at: datetime) -> None:
        before = tasks.load([KEY])[KEY]
        state = State.QUEUED if before.state is State.RUNNING else State.RUNNING
        tasks.save([Change(before, before.hear(state, Source.CALLBACK, at))])

    return moved


@pytest.fixture
def waiter():
    with ThreadPoolExecutor(1) as executor:
        yield executor


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_who_does_not_want_to_wait_is_asked_once(watch, tasks):
    question = Question()
    watch.until("run:r1", 0, question)
    assert question.asked == 1
    assert tasks.looks == 0


def test_what_is_answered_waits_for_nothing(watch):
    question = Question()
    question.is_answered = True
    watch.until("run:r1", LONG, question)
    assert question.asked == 1


def test_who_waits_in_vain_is_let_go_when_the_time_is_over(watch):
    started = time.monotonic()
    watch.until("run:r1", 0.05, lambda: False)
    assert 0.05 <= time.monotonic() - started < LONG


def test_what_this_process_wrote_wakes_at_once(watch, waiter):
    question = Question()
    waiting = waiter.submit(watch.until, "run:r1", LONG, question)
    question.was_asked.wait(LONG)
    question.is_answered = True
    watch.notify({"run:r1"})
    waiting.result(LONG)


def test_a_change_between_the_question_and_the_waiting_is_not_missed(watch):
    asked = []

    def is_answered() -> bool:
        asked.append(True)
        watch.notify(["run:r1"])
        return len(asked) > 1

    started = time.monotonic()
    watch.until("run:r1", LONG, is_answered)
    assert time.monotonic() - started < LOOK_EVERY


def test_another_topic_wakes_nobody(watch, waiter):
    question = Question()
    waiting = waiter.submit(watch.until, "run:r1", 0.05, question)
    question.was_asked.wait(LONG)
    watch.notify(["run:r2", "task:r1"])
    waiting.result(LONG)
    # At the beginning, and one last time.
    assert question.asked == 2


@pytest.mark.parametrize("topic", [run_topic("r1"), task_topic(KEY)])
def test_what_another_process_wrote_wakes_at_the_next_look(watch, waiter, change, topic):
    question = Question()
    waiting = waiter.submit(watch.until, topic, LONG, question)
    question.was_asked.wait(LONG)
    question.is_answered = True
    change(START)
    waiting.result(LONG)
    assert question.asked >= 2


def test_a_change_that_becomes_visible_late_is_found(watch, tasks, clock, waiter, change):
    question = Question()
    waiting = waiter.submit(watch.until, "run:r1", LONG, question)
    until(lambda: tasks.looks >= 2)
    clock.advance(10)
    looks = tasks.looks
    until(lambda: tasks.looks >= looks + 2)
    question.is_answered = True
    change(clock.now() - LOOK_BACK)
    waiting.result(LONG)


def test_a_change_wakes_once_and_not_at_every_look(watch, tasks, waiter, change):
    question = Question()
    change(START)
    waiting = waiter.submit(watch.until, "run:r1", LONG, question)
    until(lambda: tasks.looks >= 4)
    asked = question.asked
    question.is_answered = True
    watch.notify(["run:r1"])
    waiting.result(LONG)
    assert asked <= 2


def test_one_look_serves_all_who_wait(watch, tasks):
    waiters = 50
    questions = [Question() for _ in range(waiters)]
    with ThreadPoolExecutor(waiters) as executor:
        for number, question in enumerate(questions):
            executor.submit(watch.until, f"run:r{number}", LONG, question)
        until(lambda: all(question.asked for question in questions))
        looks, started = tasks.looks, time.monotonic()
        until(lambda: tasks.looks >= looks + 2)
        elapsed = time.monotonic() - started
        assert tasks.looks - looks <= elapsed / LOOK_EVERY + 1
        for question in questions:
            question.is_answered = True
        watch.notify(f"run:r{number}" for number in range(waiters))


def test_nobody_looks_while_nobody_waits(watch, tasks):
    watch.until("run:r1", 0.01, lambda: False)
    time.sleep(2 * LOOK_EVERY)
    looks = tasks.looks
    time.sleep(2 * LOOK_EVERY)
    assert tasks.looks == looks <= 1


def test_who_comes_after_nobody_waited_is_served_again(watch, tasks, waiter, change):
    watch.until("run:r1", 0.01, lambda: False)
    time.sleep(2 * LOOK_EVERY)
    question = Question()
    waiting = waiter.submit(watch.until, "run:r1", LONG, question)
    question.was_asked.wait(LONG)
    question.is_answered = True
    change(START)
    waiting.result(LONG)


@pytest.mark.parametrize("failure", ["down", "unforeseen"])
def test_a_look_that_fails_is_followed_by_the_next(watch, tasks, waiter, change, failure):
    question = Question()
    if failure == "unforeseen":
        tasks.failures = [RuntimeError("a document that cannot be read")]
    else:
        tasks.is_down = True
    waiting = waiter.submit(watch.until, "run:r1", LONG, question)
    until(lambda: tasks.looks >= 2)
    tasks.is_down = False
    question.is_answered = True
    change(START)
    waiting.result(LONG)


def test_who_is_impatient_asks_again_although_nothing_changed(watch):
    asked = []

    def is_answered() -> bool:
        asked.append(True)
        return len(asked) == 3

    watch.until("run:r1", LONG, is_answered, patience=lambda: 0.01)


def test_at_a_stop_who_waits_asks_once_more_and_goes(watch, waiter):
    question = Question()
    waiting = waiter.submit(watch.until, "run:r1", LONG, question)
    question.was_asked.wait(LONG)
    begun = time.monotonic()
    watch.stop()
    waiting.result(LONG)
    assert time.monotonic() - begun < LONG
    assert question.asked == 2


def test_after_a_stop_nobody_waits(watch, tasks):
    question = Question()
    watch.stop()
    watch.until("run:r1", LONG, question)
    assert question.asked == 1
    assert tasks.looks == 0
