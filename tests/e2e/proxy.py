"""A TCP proxy that can be closed, or fall silent, between a service and what it connects to."""

import contextlib
import socket
import threading

from callback_service.embedded.ports import pick_free


class Proxy:
    """Listens on one port for as long as it lives, whatever it is asked to do in between."""

    def __init__(self, host, port):
        self.port = pick_free()
        self._to = host, port
        self._pairs = []
        self._is_silent = False
        self._listener = None

    @contextlib.contextmanager
    def running(self):
        self.open()
        try:
            yield self
        finally:
            self.close()

    def open(self):
        """Pass on everything; connections that fell silent are broken."""
        if self._is_silent:
            self._break_all()
        self._is_silent = False
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def close(self):
        """Refuse new connections and break those that there are."""
        if self._listener is not None:
            # A thread that is in `accept` is woken by the first of these only.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._break_all()

    def fall_silent(self):
        """Take connections and bytes, and let nothing through any more."""
        self._is_silent = True

    def _accept(self, listener):
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
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=[source, sink], daemon=True).start()

    def _pass_on(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._is_silent:
                    sink.sendall(data)
        if not self._is_silent:
            _break(source, sink)

    def _break_all(self):
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _break(*pair)


def _break(*ends):
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
