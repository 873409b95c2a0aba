"""Servers that say whatever bytes they like, when they like, to whoever asks TES servers."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from callback_service.adapters.tes_server import HttpTesServers
from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.ports import Method, Question, Reply
from tests.fakes.clock import START

READ = Question("/tasks/1", query="view=MINIMAL")
CREATE = Question("/tasks", Method.POST, body=b'{"executors": []}')
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Line:
    """One connection, the `number`th one (from 1)."""

    sock: socket.socket
    number: int
    requests: list[bytes]
    _read: bytes = b""

    def request(self) -> bytes:
        """The next one, whole; raises `OSError` where there is none."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        length = 0
        for header in head.lower().split(b"\r\n"):
            if header.startswith(b"content-length:"):
                length = int(header.partition(b":")[2])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def send(self, text: bytes) -> None:
        self.sock.sendall(text)

    def drip(self, text: bytes, pause: float = 0.05) -> None:
        for byte in text:
            self.send(bytes([byte]))
            time.sleep(pause)

    def wait_for_end(self) -> None:
        """Until the other side has closed."""
        self.sock.settimeout(10)
        with suppress(OSError):
            while self.sock.recv(65536):
                pass

    def _more(self) -> None:
        more = self.sock.recv(65536)
        if not more:
            raise ConnectionError
        self._read += more


Talk = Callable[[Line], Any]


def always(answer: bytes) -> Talk:
    """Answer each request of a connection with these bytes, and keep it."""

    def talk(line: Line) -> None:
        while True:
            line.request()
            line.send(answer)

    return talk


def once(answer: bytes) -> Talk:
    """Answer the first request of a connection, and close."""

    def talk(line: Line) -> None:
        line.request()
        line.send(answer)

    return talk


@dataclass
class Talker:
    url: str
    lines: list[Line] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    @property
    def server(self) -> Server:
        """As it is registered; the base is not looked for."""
        return Server("tes-1", self.url, START)

    def has_ended(self, number: int = 1, within: float = 3.0) -> bool:
        """Whether the server came to the end of a connection."""
        until = time.monotonic() + within
        while number not in self.ended and time.monotonic() < until:
            time.sleep(0.01)
        return number in self.ended


@contextmanager
def talker(
    talk: Talk,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    name: str = "",
    tls: ssl.SSLContext | None = None,
) -> Iterator[Talker]:
    """`name` stands in the URL instead of the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=512) as listening:
        shown = name or (f"[{host}]" if ":" in host else host)
        scheme = "https" if tls else "http"
        told = Talker(f"{scheme}://{shown}:{listening.getsockname()[1]}/ga4gh/tes/v1")
        accepting = threading.Thread(target=_accept, args=(listening, talk, tls, told))
        accepting.start()
        try:
            yield told
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for line in told.lines:
                with suppress(OSError):
                    line.sock.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, talk: Talk, tls: ssl.SSLContext | None, told: Talker) -> None:
    while True:
        try:
            sock, _ = listening.accept()
        except OSError:
            return
        line = Line(sock, len(told.lines) + 1, told.requests)
        told.lines.append(line)
        threading.Thread(target=_talk, args=(line, talk, tls, told), daemon=True).start()


def _talk(line: Line, talk: Talk, tls: ssl.SSLContext | None, told: Talker) -> None:
    with suppress(OSError):
        try:
            if tls:
                line.sock = tls.wrap_socket(line.sock, server_side=True)
            talk(line)
        finally:
            told.ended.append(line.number)
            line.sock.close()


@contextmanager
def asking(*credentials: Any, timeout: float = 2.0, **options: Any) -> Iterator[HttpTesServers]:
    servers = HttpTesServers(*credentials, timeout=timeout, **options)
    try:
        yield servers
    finally:
        servers.close()


def outcome(
    servers: HttpTesServers, server: Server, question: Question = READ
) -> Reply | ServerFailed:
    try:
        return servers.ask(server, question)
    except ServerFailed as failure:
        return failure


def failure_of(talk: Talk, question: Question = READ, **options: Any) -> ServerFailed:
    """How a question to a server that talks like this fails."""
    with talker(talk) as told, asking(**options) as servers:
        failure = outcome(servers, told.server, question)
    assert isinstance(failure, ServerFailed), failure
    return failure
