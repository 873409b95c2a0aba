"""A process of the API: it serves until it is told to stop, and then stops as soon as it can."""

import socket
import time
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

# Seconds between two signs of life; gunicorn waits for one much longer.
_ALIVE_EVERY = 1.0
# Seconds for which a kept connection may be silent at a stop. Whoever sends one request after the
# other over it has sent the next by then, and is told with its answer that it was the last.
_SILENT = 0.3
_LOOK_EVERY = 0.05
# For the doorbells of the last callbacks, which are gathered and rung in the background.
_LAST_RINGS = 0.1


class ApiProcess(GeventWorker):
    """gunicorn's own waits at a stop for clients to close the connections that they keep."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        # Connections that wait for a request, and since when.
        self._silent_since: dict[socket.socket, float] = {}
        self._told_to_stop = Event()

    def run(self) -> None:
        servers = [self._serve(one) for one in self.sockets]
        while self.alive:
            self.notify()
            self._told_to_stop.wait(_ALIVE_EVERY)
        # Not ready any more first, while a probe still gets an answer; and whoever waits has his.
        self.wsgi.extensions["callback_service"].stop()
        for server in servers:
            server.close()
        self._finish(servers)
        gevent.sleep(_LAST_RINGS)

    def handle_exit(self, sig: Any, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._told_to_stop.set()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        self._silent_since[client] = time.monotonic()
        try:
            super().handle(listener, client, addr)
        finally:
            self._silent_since.pop(client, None)

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> None:
        self._silent_since.pop(sock, None)
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            self._silent_since[sock] = time.monotonic()

    def _serve(self, listener: Any) -> StreamServer:
        pool = Pool(self.worker_connections)
        server = StreamServer(listener, handle=partial(self.handle, listener), spawn=pool)
        if self.cfg.workers > 1:
            # The other processes shall have their share.
            server.max_accept = 1
        server.start()
        return server

    def _finish(self, servers: list[StreamServer]) -> None:
        until = time.monotonic() + self.cfg.graceful_timeout
        while any(len(server.pool) for server in servers):
            if time.monotonic() >= until:
                self.log.warning("requests.cut")
                for server in servers:
                    server.stop(timeout=1)
                return
            self._hang_up()
            self.notify()
            gevent.sleep(_LOOK_EVERY)

    def _hang_up(self) -> None:
        now = time.monotonic()
        for client, since in list(self._silent_since.items()):
            if now - since >= _SILENT:
                del self._silent_since[client]
                try:
                    # A request that has come by now is read, and answered, all the same.
                    client.shutdown(socket.SHUT_RD)
                except OSError:
                    # It has closed it itself.
                    continue
