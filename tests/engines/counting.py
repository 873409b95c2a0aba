"""A proxy before a server that counts what one client asks, and sees what it is told.

Before a TES server, and before the service where a program is told of its tasks by that.
"""

import json
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from callback_service.domain.states import FINAL

# Longer than anybody waits for news in one request.
_PATIENCE = 90
_HOP_BY_HOP = {"connection", "content-encoding", "content-length", "date", "server"} | {
    "transfer-encoding"
}


class Counting(ThreadingHTTPServer):
    """`counts` are requests by what they are: `create`, `get`, `list`, `cancel` or `other`.

    `ends` says when each task was first shown in a final state.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, to):
        super().__init__(("127.0.0.1", 0), _Door)
        self.to = to
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.counts = Counter()
        self.ends = {}

    @contextmanager
    def running(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait until the client has confirmed the first,
    # which takes it 40 ms on a connection that is kept.
    disable_nagle_algorithm = True

    def _pass_on(self):
        self.server.counts[_kind(self.command, self.path.partition("?")[0])] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            answer = requests.request(
                self.command,
                self.server.to + self.path,
                data=body,
                headers=self.headers,
                timeout=_PATIENCE,
            )
        except requests.RequestException:
            # Whoever is behind it is away: that is what the client shall see, too.
            self.close_connection = True
            return
        for task_id in _ended(answer.content):
            self.server.ends.setdefault(task_id, datetime.now(UTC))
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if answer.status_code != 204:
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_DELETE = _pass_on  # noqa: N815  the names that http.server looks for

    def log_message(self, *args):
        """Says nothing: tests look at `counts`."""


def _kind(method, path):
    if path.endswith("/tasks"):
        return "create" if method == "POST" else "list"
    if "/tasks/" in path:
        return "cancel" if method == "POST" else "get"
    return "other"


def _ended(body):
    """The ids of tasks that an answer shows in a final state, alone or in a list."""
    try:
        shown = json.loads(body)
    except ValueError:
        return []
    if not isinstance(shown, dict):
        return []
    tasks = [one for one in (shown, *(shown.get("tasks") or ())) if isinstance(one, dict)]
    return [one.get("task_id") or one.get("id") for one in tasks if one.get("state") in FINAL]
