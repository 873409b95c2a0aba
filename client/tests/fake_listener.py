"""Whoever listens at a callback URL, over real HTTP: ready, busy, hanging, dead and back again."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Callable, Dict, List, Optional, Tuple

from client.tests.breakable_server import BreakableServer

TOKEN = "r0.open-sesame"


@dataclass
class Reply:
    status: int = 204
    headers: Dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Heard:
    task: str
    state: str
    headers: Dict[str, str]
    body: bytes
    status: int


class FakeListener:
    """Start it by `with FakeListener() as listener`. `reply` says what a task's state is answered.

    Between `hang` and `release` nobody is answered. It keeps its port when it is stopped.
    """

    def __init__(self, reply: Optional[Callable[[str, str], Reply]] = None) -> None:
        self.reply = reply or (lambda _task, _state: Reply())
        self.heard: List[Heard] = []
        self.connections = 0
        self._moves = threading.Event()
        self._moves.set()
        self._changed = threading.Condition()
        self._port = 0
        self._door: Optional[_Door] = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/callbacks/{TOKEN}"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def told(self) -> List[Tuple[str, str]]:
        """What was taken, in the order of arrival."""
        return [(one.task, one.state) for one in self.heard if one.status < 300]

    def states(self, task: str) -> List[str]:
        return [state for one, state in self.told if one == task]

    def until(self, holds: Callable[[], bool], within: float = 30) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, within), f"heard {len(self.heard)}: {self.told}"

    def until_told(self, *pairs: Tuple[str, str]) -> None:
        self.until(lambda: len(self.told) >= len(pairs))
        assert self.told == list(pairs)

    def hang(self) -> None:
        self._moves.clear()

    def release(self) -> None:
        self._moves.set()

    def start(self) -> None:
        self._door = _Door(self._port, self)
        self._port = self._door.server_port
        threading.Thread(target=self._door.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Break off every connection, as a killed process does."""
        door, self._door = self._door, None
        if door:
            door.shutdown()
            door.server_close()
            door.break_off()

    def __enter__(self) -> FakeListener:  # noqa: PYI034 - Python 3.8 has no Self
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self.release()

    def hear(self, headers: Dict[str, str], body: bytes) -> Reply:
        self._moves.wait()
        said = json.loads(body)
        reply = self.reply(said["id"], said["state"])
        with self._changed:
            self.heard.append(Heard(said["id"], said["state"], headers, body, reply.status))
            self._changed.notify_all()
        return reply


class _Door(BreakableServer):
    def __init__(self, port: int, listener: FakeListener) -> None:
        self.listener = listener
        super().__init__(port, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.listener.connections += 1
        super().process_request(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.listener.hear({**headers, ":path": self.path}, body)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *args: Any) -> None:
        """Says nothing: tests look at `heard`."""
