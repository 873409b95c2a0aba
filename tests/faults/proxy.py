"""A TCP proxy between a service and what it connects to, and what befalls the bytes in it."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from tests.faults.toxics import Cut, Silence, Toxic
from tests.ports import free_port

_HARMLESS = Toxic()
# Closing sends a reset at once, whatever is under way.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on one port for as long as it lives, whatever it is asked to do in between."""

    def __init__(self, host: str, port: int) -> None:
        self.port = free_port()
        self._to = host, port
        self._pairs: list[_Pair] = []
        self._toxic = _HARMLESS
        self._listener: socket.socket | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        self.open()
        try:
            yield self
        finally:
            self.close()

    def open(self) -> None:
        """Pass on everything; connections that were left hanging are broken."""
        was, self._toxic = self._toxic, _HARMLESS
        if was.leaves_hanging:
            self._break_all()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def close(self) -> None:
        """Refuse new connections and break those that there are."""
        if self._listener is not None:
            # A thread that is in `accept` is woken by the first of these only.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._break_all()

    def befall(self, toxic: Toxic) -> None:
        """From now on, and those connections too that there are."""
        self._toxic = toxic

    def fall_silent(self) -> None:
        """Take connections and bytes, and let nothing through any more."""
        self.befall(Silence())

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._to)
            except OSError:
                near.close()
                continue
            pair = _Pair(near, far)
            self._pairs.append(pair)
            for work in (self._to_server, self._to_client):
                threading.Thread(target=work, args=[pair], daemon=True).start()

    def _to_server(self, pair: "_Pair") -> None:
        self._pass_on(pair, pair.near, lambda data: self._toxic.to_server(data, pair.far))

    def _to_client(self, pair: "_Pair") -> None:
        self._pass_on(pair, pair.far, lambda data: self._toxic.to_client(data, pair.near))

    def _pass_on(self, pair: "_Pair", source: socket.socket, send: Callable[[bytes], None]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                try:
                    send(data)
                except Cut:
                    pair.reset()
        if not self._toxic.leaves_hanging:
            pair.close()

    def _break_all(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.close()


class _Pair:
    """The two connections of one client; each is read by a thread of its own."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near = near
        self.far = far
        self._is_reset = False

    def close(self) -> None:
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                if not self._is_reset:
                    end.shutdown(socket.SHUT_RDWR)
            end.close()

    def reset(self) -> None:
        self._is_reset = True
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # Says nothing, but wakes the thread that reads: until then it is not closed.
                end.shutdown(socket.SHUT_RD)
            end.close()
