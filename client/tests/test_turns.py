"""Who stands behind one that fails is not kept waiting for the same failure."""

import threading
from contextlib import suppress

import pytest
from callback_client.turns import Turns


class Gone(Exception):
    pass


def test_one_goes_after_the_other():
    turns, inside, most = Turns(), [], []

    def go():
        with turns:
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=go) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 10


def test_who_waited_behind_one_that_failed_fails_with_it():
    turns, failed, went = Turns(), [], []
    is_begun, may_fail = threading.Event(), threading.Event()

    def fail():
        with suppress(Gone), turns:
            is_begun.set()
            may_fail.wait(10)
            raise Gone

    def follow():
        try:
            with turns:
                went.append(1)
        except Gone as error:
            failed.append(error)

    first = threading.Thread(target=fail)
    first.start()
    is_begun.wait(10)
    others = [threading.Thread(target=follow) for _ in range(3)]
    for thread in others:
        thread.start()
    # They stand in line as soon as they have nothing else to do.
    for thread in others:
        thread.join(0.1)
    may_fail.set()
    for thread in (first, *others):
        thread.join()
    assert (len(failed), went) == (3, [])


def test_who_comes_later_tries_for_himself():
    turns = Turns()
    with pytest.raises(Gone), turns:
        raise Gone
    with turns:
        pass


def test_who_is_interrupted_interrupts_nobody_else():
    turns, went = Turns(), []
    is_begun = threading.Event()

    def follow():
        is_begun.set()
        with turns:
            went.append(1)

    other = threading.Thread(target=follow)
    with suppress(KeyboardInterrupt), turns:
        other.start()
        is_begun.wait(10)
        other.join(0.1)
        raise KeyboardInterrupt
    other.join()
    assert went == [1]
