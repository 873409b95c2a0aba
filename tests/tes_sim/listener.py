"""A listener for callbacks, in a thread of its own."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Listener:
    """`told` is what it heard, in order; it answers `status` after `delay` seconds."""

    url: str = ""
    status: int = 204
    delay: float = 0.0
    told: list[tuple[str, str]] = field(default_factory=list)

    def states(self, task_id: str) -> list[str]:
        return [state for task, state in list(self.told) if task == task_id]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            listener.told.append((body["id"], body["state"]))
            time.sleep(listener.delay)
            self.send_response(listener.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests read `told`."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        listener.url = f"http://127.0.0.1:{server.server_address[1]}/callbacks/x"
        yield listener
        server.shutdown()
