"""Stands in for the API, a worker or the database: `python stub.py NAME NOTES [ARGUMENT…]`.

It notes its start and its end in the file NOTES. The environment makes it misbehave: `STUB_DIES`
names a stub that ends at once, `STUB_STUBBORN` one that ignores SIGTERM.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()


def note(what, **more):
    line = json.dumps({"what": what, "name": name, "pid": os.getpid(), **more})
    with notes.open("a") as file:
        file.write(line + "\n")


def stop(_number, _frame):
    note("stopped")
    os._exit(0)


def start_grandchild():
    """Like a worker of gunicorn, but one that hangs: it notices nothing by itself."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)


name, notes, arguments = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
told = {key: value for key, value in os.environ.items() if key.startswith(("CA", "CE", "MONGO"))}
note("started", arguments=arguments, told=told)
sys.stderr.write(f"{name} says hello\n")
if os.environ.get("STUB_DIES") == name:
    sys.exit(3)
if name == "init":
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("STUB_STUBBORN") == name else stop)
if name == "api":
    start_grandchild()
    host, port = (arguments[arguments.index(key) + 1] for key in ("--host", "--port"))
    server = HTTPServer((host, int(port)), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    time.sleep(60)
