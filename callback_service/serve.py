"""The API's process: gunicorn with gevent workers, around the app."""

# ruff: noqa: E402  before anything else is imported, what it imports must be patched
from gevent import monkey

monkey.patch_all()

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gunicorn.app.base import BaseApplication

from callback_service import wiring
from callback_service.adapters import open_files
from callback_service.app import build_app
from callback_service.domain.errors import ConfigError
from callback_service.entrypoints.api_process import ApiProcess

# Seconds without a sign of life after which a process is replaced, and what it does is lost. A busy
# one gives no sign either: an answer as large as the settings allow, on a slow machine, may take
# longer than gunicorn's 30 seconds, and tasks that are being submitted would be submitted twice.
STUCK = 300
# New objects after which Python looks for circles among them (by default 700), and for how many of
# these looks it looks at older ones, too. A megabyte of JSON can be half a million objects, and
# reading 16 of them took twice as long with all the looks.
LOOKS_FOR_CIRCLES = (50_000, 10, 10)
# Bytes: a cursor may be as long as common proxies let a URL be.
LONGEST_LINE = 8190
# Clients at once per process: most of them wait, and a waiting one costs a greenlet.
CLIENTS = 10_000


class Server(BaseApplication):
    """Imports once and forks: the processes share what they do not change."""

    def __init__(self, host: str, port: int, workers: int, grace: int) -> None:
        """`grace`: seconds that requests get to end at a stop; long polls are answered at once."""
        self._options = {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "workers": workers,
            "worker_class": ApiProcess,
            "worker_connections": CLIENTS,
            "timeout": STUCK,
            "graceful_timeout": grace,
            "limit_request_line": LONGEST_LINE,
            # Senders keep their connections longer than gunicorn expects.
            "keepalive": 60,
            # A client on this machine could say by a header that all paths begin elsewhere.
            "forwarder_headers": "",
            "loglevel": "warning",
            # It would listen in the home of whoever started us.
            "control_socket_disable": True,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # In each process anew: connections do not survive a fork.
        app = build_app(wiring.load())
        # It asks the database what time it is, and has the answer when the first request comes.
        app.extensions["callback_service"].clock.now()
        return app


@contextmanager
def _host_folder() -> Iterator[str]:
    """A folder that the processes share. They are forks, and leave it to us to remove it."""
    ours = os.getpid()
    folder = tempfile.mkdtemp(prefix="callback-service-")
    try:
        yield folder
    finally:
        if os.getpid() == ours:
            shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> None:
    """`python -m callback_service.serve HOST PORT WORKERS`: what `callback-service serve` runs."""
    host, port, workers = arguments
    try:
        configured = wiring.load()
        wiring.check_access(configured, host)
    except ConfigError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)
    open_files.allow_many()
    # The processes get it as they are forked.
    gc.set_threshold(*LOOKS_FOR_CIRCLES)
    with _host_folder() as folder:
        os.environ[wiring.HOST_FOLDER] = folder
        status = _status_of(
            Server(host, int(port), int(workers), configured.settings.gateway.grace)
        )
    # The processes come here too. Nothing is left to do, and Python takes a second to clear away
    # what it has imported, on a busy machine four.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _status_of(server: Server) -> int:
    try:
        server.run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
