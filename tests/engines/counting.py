"""A proxy before a TES server that counts what one client asks, and not what others do."""

import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class Counting(ThreadingHTTPServer):
    """`counts` are requests by what they are: `create`, `get`, `list`, `cancel` or `other`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, to):
        super().__init__(("127.0.0.1", 0), _Door)
        self.to = to
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.counts = Counter()

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

    def _pass_on(self):
        self.server.counts[_kind(self.command, self.path.partition("?")[0])] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = requests.request(
            self.command, self.server.to + self.path, data=body, headers=self.headers, timeout=30
        )
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = _pass_on  # noqa: N815  the names that http.server looks for

    def log_message(self, *args):
        """Says nothing: tests look at `counts`."""


def _kind(method, path):
    if path.endswith("/tasks"):
        return "create" if method == "POST" else "list"
    if "/tasks/" in path:
        return "cancel" if method == "POST" else "get"
    return "other"
