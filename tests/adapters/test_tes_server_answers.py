"""What is taken for an answer, and what a server is said to have done instead."""

import time

import pytest

from callback_service import __version__
from callback_service.relay.ports import Method, Question
from tests.adapters.tes_talkers import (
    CREATE,
    OK,
    READ,
    Line,
    always,
    asking,
    failure_of,
    once,
    talker,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n"
# What comes before an answer.
PROVISIONAL = [CONTINUE, HINTS, HINTS + CONTINUE, b"HTTP/1.1 102 Processing\r\n\r\n" * 10]


def test_a_request_is_what_was_asked_for_and_nothing_else():
    with talker(always(OK)) as told, asking() as servers:
        servers.ask(told.server, Question("/tasks/a%2F..%2Fb/../c", query="view=FULL&x=%20"))
        servers.ask(told.server, CREATE)
        servers.ask(told.server, Question("/tasks/1:cancel", Method.POST))
    read, create, cancel = (request.decode() for request in told.requests)
    host = told.url.split("/")[2]
    assert read.splitlines() == [
        "GET /ga4gh/tes/v1/tasks/a%2F..%2Fb/../c?view=FULL&x=%20 HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: tes-callback-service/{__version__}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "",
    ]
    assert create.startswith("POST /ga4gh/tes/v1/tasks HTTP/1.1\r\n")
    assert "\r\nContent-Type: application/json\r\n" in create
    assert create.endswith('\r\n\r\n{"executors": []}')
    assert "\r\nContent-Length: 0\r\n" in cancel


def test_cookies_are_not_kept():
    answer = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n\r\n")
    with talker(always(answer)) as told, asking() as servers:
        servers.ask(told.server, READ)
        servers.ask(told.server, READ)
    assert b"ookie" not in told.requests[1]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with talker(always(OK)) as told, asking() as servers:
        assert servers.ask(told.server, READ).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 4\r\n\r\nbody",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nbody",
        HEAD + b"Connection: close\r\n\r\nbody",
        *(before + HEAD + b"Content-Length: 4\r\n\r\nbody" for before in PROVISIONAL),
    ],
    ids=["length", "chunked", "http-1.0", "close", "continue", "early hints", "both", "many"],
)
def test_bodies_end_in_every_way_that_http_knows(answer: bytes):
    with talker(once(answer)) as told, asking() as servers:
        assert servers.ask(told.server, READ).body == b"body"


@pytest.mark.parametrize("before", PROVISIONAL, ids=range(4))
def test_what_comes_before_an_answer_is_nobody_elses_answer(before: bytes):
    with talker(always(before + OK)) as told, asking() as servers:
        for question in (READ, CREATE, READ):
            assert servers.ask(told.server, question).body == b"{}"


def test_promises_to_answer_do_not_go_on_for_ever():
    def talk(line: Line) -> None:
        line.request()
        while True:
            line.send(CONTINUE * 1000)

    begun = time.monotonic()
    failure = failure_of(talk, timeout=5.0)
    assert "answered more than 10 times" in str(failure)
    assert time.monotonic() - begun < 4


def test_headers_come_in_lower_case_and_repeated_ones_as_one():
    answer = b"HTTP/1.1 204 No Content\r\nX-A: 1\r\nx-a: 2\r\nRetry-After: 3\r\n\r\n"
    with talker(once(answer)) as told, asking() as servers:
        reply = servers.ask(told.server, READ)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers == {"x-a": "1, 2", "retry-after": "3"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection before it had answered"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "gave an answer that is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "gave an answer that is not HTTP"),
        (b"HTTP/1.1 20", "gave an answer that is not HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "gave an answer that is not HTTP"),
        (HEAD + b"X: 1\r\n" * 200 + b"\r\n", "gave an answer that is not HTTP, or has too"),
        (HEAD + b"X: " + b"1" * 100_000 + b"\r\n\r\n", "or has too long or too many headers"),
        (HEAD + b"Content-Length: 5\r\n\r\nbody", "in the middle of its answer"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nbody", "in the middle of its answer"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n", "in the middle of its answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK, "answered 101"),
        (CONTINUE * 11 + OK, "answered more than 10 times that it will answer"),
        (HINTS * 11 + OK, "answered more than 10 times that it will answer"),
        (HINTS, "closed the connection before it had answered"),
        (b"HTTP/1.1 103 Early Hints\r\n" + b"X: 1\r\n" * 200 + b"\r\n", "too many headers"),
        (HEAD + b"Content-Length: 2000000000\r\n\r\n{", "answered more than 1024 bytes"),
        (HEAD + b"Connection: close\r\n\r\n" + b"x" * 2000, "answered more than 1024 bytes"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"f\r\n" + b"x" * 15 + b"\r\n") * 100,
            "answered more than 1024 bytes",
        ),
        (
            b"HTTP/1.1 307 x\r\nLocation: //a:b@example.org/x?key=hidden\r\n\r\n",
            "redirects to http://example.org, which is not followed",
        ),
        (b"HTTP/1.1 301 x\r\nLocation: http://[x\r\n\r\n", "redirects to an address that is none"),
    ],
)
def test_anything_else_is_a_failure_in_plain_words(answer: bytes, reason: str):
    failure = failure_of(once(answer), max_response=1024)
    assert reason in str(failure)
    assert str(failure).startswith("the TES server tes-1 ")
    assert not failure.is_late


def test_a_body_without_an_end_is_given_up_at_the_bound():
    sent = 0

    def talk(line: Line) -> None:
        nonlocal sent
        line.request()
        line.send(HEAD + b"Content-Length: 2000000000\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            line.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            sent += 0x10000

    assert "answered more than 1048576 bytes" in str(failure_of(talk, max_response=2**20))
    # What was on its way when the connection was closed.
    assert sent < 16 * 2**20


def test_an_answer_that_comes_before_the_body_was_read_counts():
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

    def talk(line: Line) -> None:
        line.sock.recv(1024)
        line.send(refusal)
        line.wait_for_end()

    with talker(talk) as told, asking() as servers:
        reply = servers.ask(told.server, Question("/tasks", Method.POST, body=b"x" * 2**20))
    assert reply.status == 413


def test_what_does_not_fit_into_a_request_is_not_sent_and_not_repeated():
    secret = "Bearer hidden\r\nX-Evil: 1"
    with talker(always(OK)) as told, asking() as servers:
        for question in (
            Question("/tasks/a b"),
            Question("/tasks/ä"),
            Question("/tasks/1", authorization=secret),
            Question("/tasks/1", authorization="Bearer \u4e16"),
        ):
            with pytest.raises(Exception, match="it does not fit into a request") as failed:
                servers.ask(told.server, question)
            assert "hidden" not in repr(failed.value) + repr(failed.value.__cause__)
    assert told.requests == []
