"""No server holds a question for longer than its deadline, whatever it does."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from callback_service.adapters.tes_server import HttpTesServers
from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.ports import Method, Question
from tests.adapters.tes_certificates import make_certificates
from tests.adapters.tes_talkers import (
    CREATE,
    OK,
    READ,
    Line,
    Talk,
    always,
    asking,
    outcome,
    talker,
)
from tests.fakes.clock import START

TIMEOUT = 0.5
# For what a busy machine adds.
SLACK = 1.5
HEAD = b"HTTP/1.1 200 OK\r\n"


def silent(line: Line) -> None:
    line.request()
    line.wait_for_end()


def drip_headers(line: Line) -> None:
    line.request()
    line.drip(HEAD + b"X: " + b"1" * 1000)


def drip_body(line: Line) -> None:
    line.request()
    line.send(HEAD + b"Content-Length: 1000\r\n\r\n")
    line.drip(b"x" * 1000)


def drip_chunks(line: Line) -> None:
    line.request()
    line.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    line.drip(b"1\r\nx\r\n" * 1000)


def drip_body_until_the_end(line: Line) -> None:
    """Of which nothing tells that it was cut off."""
    line.request()
    line.send(b"HTTP/1.0 200 OK\r\n\r\n")
    line.drip(b"x" * 1000)


def provisional_for_ever(line: Line) -> None:
    line.request()
    while True:
        line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(TIMEOUT / 5)


TALKS: list[Talk] = [
    silent,
    drip_headers,
    drip_body,
    drip_chunks,
    drip_body_until_the_end,
    provisional_for_ever,
]


def timed(servers: HttpTesServers, server: Server, question: Question = READ) -> ServerFailed:
    """A failure that came at the deadline."""
    began = time.monotonic()
    failure = outcome(servers, server, question)
    took = time.monotonic() - began
    assert isinstance(failure, ServerFailed), failure
    assert failure.is_late, failure
    assert TIMEOUT - 0.01 <= took < TIMEOUT + SLACK
    return failure


@pytest.mark.parametrize("question", [READ, CREATE], ids=["read", "create"])
@pytest.mark.parametrize("talk", TALKS)
def test_a_slow_server_is_given_up_and_its_connection_closed(talk: Talk, question: Question):
    with talker(talk) as told, asking(timeout=TIMEOUT) as servers:
        failure = timed(servers, told.server, question)
        assert str(failure) == f"the TES server tes-1 did not answer within {TIMEOUT:g} s"
        assert told.has_ended()
        assert len(told.lines) == 1


def test_a_kept_connection_has_the_deadline_of_each_question():
    def talk(line: Line) -> None:
        for _ in range(2):
            line.request()
            line.send(OK)
        line.request()
        line.drip(HEAD + b"X: " + b"1" * 1000)

    with talker(talk) as told, asking(timeout=TIMEOUT) as servers:
        servers.ask(told.server, READ)
        # The first deadline passes without harm to the connection.
        time.sleep(TIMEOUT + 0.1)
        servers.ask(told.server, READ)
        failure = timed(servers, told.server)
        assert "did not answer" in str(failure)
        assert len(told.lines) == 1


def test_a_server_that_does_not_read_a_task_is_given_up():
    large = Question("/tasks", Method.POST, body=b"x" * 2**24)

    def talk(_line: Line) -> None:
        time.sleep(2 * TIMEOUT)

    with talker(talk) as told, asking(timeout=TIMEOUT) as servers:
        timed(servers, told.server, large)


@pytest.mark.parametrize("handshake", [b"", b"\x16\x03\x03\x40\x00" + b"\x02" * 1000])
def test_a_tls_handshake_counts(handshake: bytes):
    def talk(line: Line) -> None:
        line.sock.recv(4096)
        line.drip(handshake)
        line.wait_for_end()

    with talker(talk) as told, asking(timeout=TIMEOUT) as servers:
        server = Server("tes-1", told.url.replace("http:", "https:"), START)
        failure = timed(servers, server)
        assert str(failure) == f"the TES server tes-1 could not be reached within {TIMEOUT:g} s"
        assert told.has_ended()


def test_connecting_counts():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, asking(timeout=TIMEOUT) as us:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        failure = timed(us, Server("tes-1", f"http://127.0.0.1:{address[1]}/v1", START))
        for sock in waiting:
            sock.close()
    assert "could not be reached" in str(failure)


def test_looking_up_the_name_counts():
    answered = threading.Event()

    def resolve(*_args: Any, **_options: Any) -> list[Any]:
        answered.wait(5)
        return []

    with asking(timeout=TIMEOUT, resolve=resolve) as servers:
        failure = timed(servers, Server("tes-1", "http://tes.test/v1", START))
        answered.set()
    assert "could not be reached" in str(failure)


def test_looking_for_the_base_counts():
    """Each of the looks is answered in time, but not all of them together."""

    def talk(line: Line) -> None:
        while True:
            line.request()
            time.sleep(TIMEOUT / 3)
            line.send(HEAD.replace(b"200", b"404") + b"Content-Length: 0\r\n\r\n")

    with talker(talk) as told, asking(timeout=TIMEOUT) as servers:
        server = Server("tes-1", told.url.removesuffix("/ga4gh/tes/v1"), START)
        timed(servers, server, CREATE)
        assert all(request.startswith(b"GET ") for request in told.requests)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_no_thread_and_no_socket_is_left():
    threads, files = threading.active_count(), open_files()
    with asking(timeout=TIMEOUT) as servers:
        for talk in (*TALKS, always(OK), lambda _line: None):
            with talker(talk) as told:
                for question in (READ, CREATE):
                    outcome(servers, told.server, question)
        with talker(always(OK), name="localhost") as told:
            outcome(servers, told.server)
    until = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= threads
    assert open_files() <= files


def test_questions_without_trouble_share_one_thread():
    with talker(always(OK)) as told, asking(timeout=TIMEOUT) as servers:
        seen = set()
        for _ in range(200):
            servers.ask(told.server, READ)
            seen.update(one.ident for one in threading.enumerate() if "deadlines" in one.name)
        assert len(seen) == 1
        # It ends by itself when nothing is under way.
        time.sleep(TIMEOUT + 0.2)
        assert not [one for one in threading.enumerate() if "deadlines" in one.name]
        assert servers.ask(told.server, READ).status == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_hundreds_of_greenlets_are_given_up_at_their_deadline(scheme: str, tmp_path: Path):
    """In a process of its own: gevent replaces what Python waits with, for good."""
    certificates = make_certificates(tmp_path)
    tls = certificates.server if scheme == "https" else None

    def talk(line: Line) -> None:
        line.request()
        # A third are silent, a third drip, and a third do answer.
        if line.number % 3 == 0:
            line.send(OK)
        if line.number % 3 == 1:
            line.drip(HEAD + b"X: " + b"1" * 1000)
        line.wait_for_end()

    with talker(talk, tls=tls, name="localhost") as told:
        program = Path(__file__).with_name("tes_server_greenlets.py")
        arguments = [told.url, str(certificates.ca_file)]
        done = subprocess.run(
            [sys.executable, str(program), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    assert done.returncode == 0, done.stderr
    late, answered, *rest = done.stdout.splitlines()
    assert rest == ["threads 1", "in time"]
    # 66 are answered in time, unless the machine is too busy.
    assert (int(late.split()[1]), int(answered.split()[1])) >= (134, 1)
