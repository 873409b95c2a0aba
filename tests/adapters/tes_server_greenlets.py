"""Asks a server 200 things at once from greenlets: arguments are its URL and a CA file."""
# ruff: noqa: E402  nothing may be imported before gevent has replaced the rest

from gevent import monkey

monkey.patch_all()

import sys
import threading
import time
from pathlib import Path

import gevent

sys.path.insert(0, ".")

from callback_service.adapters.tes_server import HttpTesServers
from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.ports import Question
from tests.fakes.clock import START

TIMEOUT = 3.0
SLACK = 2.0


def main(url: str, ca_file: str) -> None:
    servers = HttpTesServers(timeout=TIMEOUT, ca_file=Path(ca_file))
    server = Server("tes-1", url, START)
    longest = 0.0

    def ask() -> bool:
        nonlocal longest
        began = time.monotonic()
        try:
            return servers.ask(server, Question("/tasks")).status == 200
        except ServerFailed as failure:
            if not failure.is_late:
                raise
            return False
        finally:
            longest = max(longest, time.monotonic() - began)

    asked = gevent.joinall([gevent.spawn(ask) for _ in range(200)], raise_error=True)
    answered = sum(greenlet.value for greenlet in asked)
    servers.close()
    gevent.sleep(0.1)
    print(f"late {200 - answered}")  # noqa: T201  it is a program
    print(f"answered {answered}")  # noqa: T201
    print(f"threads {threading.active_count()}")  # noqa: T201
    print("in time" if longest < TIMEOUT + SLACK else f"took {longest}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
