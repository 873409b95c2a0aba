"""What changes a server is sent once; what only reads it may be sent once more."""

import socket
import struct
import threading
import time

import pytest

from callback_service.domain.errors import ServerFailed
from tests.adapters.tes_talkers import (
    CREATE,
    OK,
    READ,
    Line,
    always,
    asking,
    once,
    outcome,
    talker,
)

RESET = struct.pack("ii", 1, 0)


def reset(line: Line) -> None:
    """End the connection as a process that is killed does."""
    line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def test_reads_share_a_connection():
    with talker(always(OK)) as told, asking() as servers:
        for _ in range(5):
            servers.ask(told.server, READ)
    assert len(told.lines) == 1


def test_whatever_changes_the_server_goes_over_a_fresh_connection():
    with talker(always(OK)) as told, asking() as servers:
        servers.ask(told.server, READ)
        servers.ask(told.server, CREATE)
        servers.ask(told.server, CREATE)
        # The connections of the others are as good as any for reading.
        servers.ask(told.server, READ)
    assert len(told.lines) == 3


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("reads_first", [False, True])
def test_a_post_is_sent_once_whatever_becomes_of_it(is_reset: bool, reads_first: bool):
    def talk(line: Line) -> None:
        if reads_first:
            line.request()
        if is_reset:
            reset(line)

    with talker(talk) as told, asking() as servers:
        failure = outcome(servers, told.server, CREATE)
    assert isinstance(failure, ServerFailed)
    assert not failure.is_late
    # The reset may be there before the connection is.
    reasons = ["closed the connection before it had answered", "(connection reset by peer)"]
    assert str(failure).endswith(tuple(reasons))
    assert len(told.lines) == 1


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_read_is_repeated_when_the_kept_connection_was_closed_under_it(is_reset: bool):
    def talk(line: Line) -> None:
        line.request()
        line.send(OK)
        if line.number == 1:
            # The next request is read, and nothing is answered.
            line.request()
            if is_reset:
                reset(line)
            return
        line.wait_for_end()

    with talker(talk) as told, asking() as servers:
        servers.ask(told.server, READ)
        assert servers.ask(told.server, READ).status == 200
    assert (len(told.requests), len(told.lines)) == (3, 2)


def test_a_read_is_repeated_once_only():
    def talk(line: Line) -> None:
        line.request()
        if line.number == 1:
            line.send(OK)
            line.request()

    with talker(talk) as told, asking() as servers:
        servers.ask(told.server, READ)
        assert isinstance(outcome(servers, told.server), ServerFailed)
    assert len(told.requests) == 3


def test_a_read_is_not_repeated_when_its_answer_had_begun():
    def talk(line: Line) -> None:
        line.request()
        line.send(OK)
        line.request()
        line.send(OK[:-1])

    with talker(talk) as told, asking() as servers:
        servers.ask(told.server, READ)
        failure = outcome(servers, told.server)
    assert "in the middle of its answer" in str(failure)
    assert len(told.lines) == 1


def test_a_read_over_a_fresh_connection_is_not_repeated():
    with talker(lambda line: line.request()) as told, asking() as servers:
        assert isinstance(outcome(servers, told.server), ServerFailed)
    assert len(told.requests) == 1


def test_a_connection_that_the_server_closed_meanwhile_is_not_used():
    with talker(once(OK)) as told, asking() as servers:
        servers.ask(told.server, READ)
        assert told.has_ended()
        time.sleep(0.05)
        assert servers.ask(told.server, READ).status == 200
    assert len(told.requests) == 2


def test_bytes_that_nobody_asked_for_answer_nothing():
    forged = OK.replace(b"{}", b"[]")
    go_on = threading.Event()

    def talk(line: Line) -> None:
        line.request()
        line.send(OK)
        if line.number == 1:
            go_on.wait(5)
            line.send(forged)
        line.wait_for_end()

    with talker(talk) as told, asking() as servers:
        servers.ask(told.server, READ)
        go_on.set()
        time.sleep(0.1)
        assert servers.ask(told.server, READ).body == b"{}"
    assert len(told.lines) == 2


def test_a_burst_leaves_few_connections():
    everybody = threading.Barrier(60)

    def talk(line: Line) -> None:
        line.request()
        everybody.wait(20)
        line.send(OK)
        line.wait_for_end()

    with talker(talk) as told, asking(timeout=20) as servers:
        threads = [
            threading.Thread(target=servers.ask, args=(told.server, READ)) for _ in range(60)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told.lines) == 60
        # Those that nobody needs now are closed.
        until = time.monotonic() + 10
        while len(told.ended) < 28 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(told.ended) == 28


def test_closing_closes_the_connections():
    def talk(line: Line) -> None:
        line.request()
        line.send(OK)
        line.wait_for_end()

    with talker(talk) as told:
        with asking() as servers:
            servers.ask(told.server, READ)
        assert told.has_ended()
