"""What can befall bytes on their way, chunk by chunk. A fresh request is one chunk, mostly."""

import random
import socket
import time
from dataclasses import dataclass, field


class Cut(Exception):
    """The connection is to be reset."""


@dataclass(frozen=True, slots=True)
class Toxic:
    """The harmless one. `leaves_hanging`: its connections are of no use when it is over."""

    leaves_hanging = False

    def to_server(self, data: bytes, server: socket.socket) -> None:
        server.sendall(data)

    def to_client(self, data: bytes, client: socket.socket) -> None:
        client.sendall(data)


@dataclass(frozen=True, slots=True)
class Silence(Toxic):
    """A black hole: connections and bytes are taken, and nothing comes through."""

    leaves_hanging = True

    def to_server(self, data: bytes, server: socket.socket) -> None:
        """Gone."""

    def to_client(self, data: bytes, client: socket.socket) -> None:
        """Gone."""


@dataclass(frozen=True, slots=True)
class Latency(Toxic):
    """So many seconds more for each answer."""

    seconds: float

    def to_client(self, data: bytes, client: socket.socket) -> None:
        time.sleep(self.seconds)
        client.sendall(data)


@dataclass(frozen=True, slots=True)
class Drip(Toxic):
    """Answers come byte by byte, with so many seconds between them."""

    seconds: float

    def to_client(self, data: bytes, client: socket.socket) -> None:
        for place in range(len(data)):
            client.sendall(data[place : place + 1])
            time.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class CutRequests(Toxic):
    """A share of the requests is cut in the middle: the server never has all of them."""

    share: float
    chance: random.Random = field(default_factory=random.Random)

    def to_server(self, data: bytes, server: socket.socket) -> None:
        if self.chance.random() < self.share:
            server.sendall(data[: len(data) // 2])
            raise Cut
        server.sendall(data)


@dataclass(frozen=True, slots=True)
class CutAnswers(Toxic):
    """A share of the answers is cut off: the server did it, and its client does not know."""

    share: float
    chance: random.Random = field(default_factory=random.Random)

    def to_client(self, data: bytes, client: socket.socket) -> None:
        if self.chance.random() < self.share:
            raise Cut
        client.sendall(data)


@dataclass(frozen=True, slots=True)
class HalfClose(Toxic):
    """The server says that it is done, hears everything, and answers nothing any more."""

    leaves_hanging = True

    def to_client(self, data: bytes, client: socket.socket) -> None:
        client.shutdown(socket.SHUT_WR)
