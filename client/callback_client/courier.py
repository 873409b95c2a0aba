"""The thread that tells a listener what waits in a backlog, and what becomes of it at the end."""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
from itertools import islice
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple
from weakref import WeakValueDictionary

from callback_client.backlog import Added, Backlog, Change
from callback_client.listener import Answer, Listener

log = logging.getLogger("callback_client")

FIRST_DELAY = 0.25
LONGEST_DELAY = 30.0
# A `Retry-After` beyond this is taken for this: a listener that is back is told before long.
LONGEST_RETRY_AFTER = 300.0
# At the end there is little time, and whoever listens may just be coming back.
LONGEST_DELAY_AT_THE_END = 0.5
CONNECTING = 5.0
# Before it is said how long: no wait is longer.
LONG = 3600.0
NAMED_PER_LINE = 100


class Counts(NamedTuple):
    """What became of the states so far.

    `told` were taken by the listener. `left_out` told nothing new: repeats, and, while too much
    waited, states that a later one of the task replaced. `given_up` will not be told. `waiting`
    still may be.
    """

    told: int = 0
    left_out: int = 0
    given_up: int = 0
    waiting: int = 0


def delay_after(failures: int, retry_after: Optional[float], chance: float) -> float:
    """How many seconds to leave a listener alone that failed so many times in a row, from 1 on."""
    delay = min(FIRST_DELAY * 2.0 ** min(failures - 1, 16), LONGEST_DELAY) * (1 + chance) / 2
    return max(delay, min(retry_after or 0, LONGEST_RETRY_AFTER))


class Courier:
    """Tells one listener, one change at a time, in a thread that begins with the first.

    All that others see is done under one lock, which nobody holds while a request is on its way.
    """

    def __init__(self, listener: Listener, capacity: int, timeout: float, linger: float) -> None:
        self.linger = linger
        self._listener = listener
        self._capacity = capacity
        self._timeout = timeout
        self._closed = False
        self._begin()
        _couriers[id(self)] = self

    def _begin(self) -> None:
        # Reentrant: a handler of signals may run while the thread that it interrupts holds it.
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._quiet = threading.Condition(self._lock)
        self._backlog = Backlog(self._capacity)
        self._thread: Optional[threading.Thread] = None
        # When the listener may be told something again, and when all must be over.
        self._due = 0.0
        self._end: Optional[float] = None
        self._failures = 0
        self._leaving = False
        self._reporting = False
        self._told = self._left_out = self._given_up = 0

    def begin_anew(self) -> None:
        """In a forked child: what waits is the parent's, who still has it and its thread."""
        self._listener.forget_connections()
        self._begin()

    @property
    def counts(self) -> Counts:
        with self._lock:
            return Counts(self._told, self._left_out, self._given_up, len(self._backlog))

    def add(self, change: Change) -> bool:
        """Whether it will be told, or need not be. Waits for nothing."""
        with self._lock:
            if self._closed:
                added = Added(given_up=(change,))
            else:
                added = self._backlog.add(change)
                self._start()
                self._news.notify()
            self._left_out += len(added.left_out)
            self._given_up += len(added.given_up)
        for left_out in added.left_out:
            log.debug("sender.left_out: %s %s", left_out.task_id, left_out.state)
        self._say_given_up(added.given_up, "closed" if self._closed else "too much waits")
        return change not in added.given_up

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits, that long at most; returns whether it came to that."""
        with self._lock:
            return self._quiet.wait_for(self._is_quiet, timeout)

    def _is_quiet(self) -> bool:
        # What was given up is not done with before it is said: a program may end right after.
        return not len(self._backlog) and not self._reporting

    def leave(self) -> None:
        """Nobody will add anything: the thread ends when all is told."""
        with self._lock:
            self._leaving = True
            self._news.notify()

    def hurry(self, timeout: float) -> None:
        """All must be over in that time, so whoever listens is tried at once, and more often."""
        with self._lock:
            end = time.monotonic() + timeout
            self._end = end if self._end is None else min(end, self._end)
            self._failures = 0
            self._due = 0.0
            self._start()
            self._news.notify()

    def finish(self) -> bool:
        """Wait until all is told or `hurry`'s time is over; returns whether nothing was given up.

        Nothing is told any more after it.
        """
        try:
            if self._thread is not None:
                self.flush(self._time_left())
            elif len(self._backlog):
                # No thread could be had: this one does it.
                self.leave()
                self._run()
        finally:
            # Also where a second Ctrl-C ended the waiting.
            self._close()
        return not self._given_up

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            left = self._backlog.clear()
            self._given_up += len(left)
            self._news.notify()
            self._quiet.notify_all()
        self._say_given_up(left, "not told in time")
        _couriers.pop(id(self), None)

    def _start(self) -> None:
        if self._thread is None and len(self._backlog):
            thread = threading.Thread(target=self._run, name="callback-sender", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # There may be too many, or the interpreter ends. The next change tries again, and
                # `finish` does without.
                log.warning("sender.stuck: %s: %s", self._listener.origin, error)
            else:
                self._thread = thread

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wait_for_work():
                    break
                change, timeout = self._backlog.take(), self._patience()
            answer = self._listener.tell(change, timeout)
            with self._lock:
                if self._closed:
                    break
                before, delay = self._failures, self._conclude(answer)
                self._reporting = True
            # Not under the lock: a log may be slow.
            self._report(change, answer, before, delay)
            with self._lock:
                self._reporting = False
                self._quiet.notify_all()
        self._listener.close()

    def _wait_for_work(self) -> bool:
        while not self._closed and self._time_left() > 0:
            wait = self._due - time.monotonic()
            if not len(self._backlog):
                if self._leaving:
                    return False
                self._news.wait()
            elif wait > 0:
                self._news.wait(min(wait, self._time_left()))
            else:
                return True
        return False

    def _time_left(self) -> float:
        return LONG if self._end is None else max(0.0, self._end - time.monotonic())

    def _patience(self) -> Tuple[float, float]:
        # A timeout of 0 is an error to requests.
        answering = max(0.05, min(self._timeout, self._time_left()))
        return min(CONNECTING, answering), answering

    def _conclude(self, answer: Answer) -> float:
        """Returns how long the listener is left alone."""
        if answer.again:
            self._backlog.put_back()
            return self._leave_alone(answer)
        self._backlog.settled()
        self._failures = 0
        self._told += answer.told
        self._given_up += not answer.told
        return 0.0

    def _leave_alone(self, answer: Answer) -> float:
        self._failures += 1
        chance = random.random()  # noqa: S311 - scatters senders, nothing else
        delay = delay_after(self._failures, answer.retry_after, chance)
        if self._end is not None:
            delay = min(delay, LONGEST_DELAY_AT_THE_END)
        self._due = time.monotonic() + delay
        return delay

    def _report(self, change: Change, answer: Answer, failures: int, delay: float) -> None:
        where = self._listener.origin
        if answer.again:
            # Once for each absence: a task's log is not for how often it was noticed.
            level = logging.DEBUG if failures else logging.WARNING
            words = "sender.interrupted: %s: %s; tried again in %.1f s, until it is told"
            log.log(level, words, where, answer.reason, delay)
            return
        if failures:
            log.info("sender.resumed: %s", where)
        if not answer.told:
            self._say_given_up([change], answer.reason)

    def _say_given_up(self, changes: Iterable[Change], why: str) -> None:
        for some in _in_pieces(changes):
            named = ", ".join(f"{change.task_id} {change.state}" for change in some)
            log.warning("sender.gave_up: %s: %s: %s", self._listener.origin, why, named)


def _in_pieces(changes: Iterable[Change]) -> Iterator[List[Change]]:
    left = iter(changes)
    while True:
        some = list(islice(left, NAMED_PER_LINE))
        if not some:
            return
        yield some


# Weak: a courier whose thread runs lives by that, and one without has nothing to tell. And no set,
# for that cannot be listed while other threads change it.
_couriers: WeakValueDictionary[int, Courier] = WeakValueDictionary()


def _all() -> List[Courier]:
    found = (reference() for reference in _couriers.valuerefs())
    return [courier for courier in found if courier is not None]


def _finish_all() -> None:
    """Before the interpreter ends, all in the same time."""
    left = _all()
    for courier in left:
        courier.hurry(courier.linger)
    for courier in left:
        courier.finish()


def _begin_anew_all() -> None:
    for courier in _all():
        courier.begin_anew()


atexit.register(_finish_all)
if hasattr(os, "register_at_fork"):  # Windows forks nothing
    os.register_at_fork(after_in_child=_begin_anew_all)
