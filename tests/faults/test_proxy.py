"""Every toxic does what it is named after, to both sides."""

import contextlib
import socket
import threading
import time

import pytest

from tests.e2e.conditions import until
from tests.faults.proxy import Proxy
from tests.faults.toxics import CutAnswers, CutRequests, Drip, HalfClose, Latency, Silence

REQUEST = b"four words of request"


class Server:
    """Says back what it hears, and remembers it."""

    def __init__(self):
        self.heard = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection):
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(1000):
                self.heard += data
                connection.sendall(data)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def proxy(server):
    with Proxy("127.0.0.1", server.port).running() as one:
        yield one


@pytest.fixture
def client(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=2) as one:
        yield one


def ask(client):
    client.sendall(REQUEST)
    answer = b""
    while len(answer) < len(REQUEST) and (data := client.recv(1000)):
        answer += data
    return answer


def test_without_a_toxic_all_goes_through(client):
    assert ask(client) == REQUEST


def test_silence_takes_everything_and_lets_nothing_through(proxy, server, client):
    proxy.befall(Silence())
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        ask(client)
    assert server.heard == b""
    proxy.open()
    client.settimeout(2)
    # It would wait for ever for the answer.
    assert client.recv(10) == b""


def test_a_closed_proxy_refuses_and_breaks(proxy, client):
    assert ask(client) == REQUEST
    proxy.close()
    assert client.recv(10) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))


@pytest.mark.parametrize("toxic", [Latency(0.2), Drip(0.01)])
def test_answers_can_be_slow(proxy, client, toxic):
    proxy.befall(toxic)
    began = time.monotonic()
    assert ask(client) == REQUEST
    assert time.monotonic() - began >= 0.2


def test_a_request_that_is_cut_in_the_middle_is_never_heard_whole(proxy, server, client):
    proxy.befall(CutRequests(share=1))
    with pytest.raises(ConnectionResetError):
        ask(client)
    assert len(server.heard) < len(REQUEST)


def test_a_request_whose_answer_is_cut_was_heard(proxy, server, client):
    proxy.befall(CutAnswers(share=1))
    with pytest.raises(ConnectionResetError):
        ask(client)
    assert server.heard == REQUEST


def test_only_a_share_is_cut(proxy, server):
    proxy.befall(CutAnswers(share=0.5))
    ends = set()
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=2) as client:
            try:
                ends.add(ask(client))
            except ConnectionResetError:
                ends.add(None)
    assert ends == {REQUEST, None}


def test_who_has_closed_one_half_hears_and_does_not_answer(proxy, server, client):
    proxy.befall(HalfClose())
    assert ask(client) == b""
    until(lambda: server.heard == REQUEST)
