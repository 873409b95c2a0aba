"""Ports for the processes that tests start."""

import itertools
import os
import random
import re
import socket
from collections.abc import Iterator

# Below those that the service picks for itself, and those of outgoing connections.
_PORTS = range(10_000, 20_000)
_SLICES = 8


def _of_this_process() -> Iterator[int]:
    # Seconds may pass until a process listens on the port that was picked for it, and another run
    # of tests at the same time must not pick it meanwhile: each has a slice of its own, and goes
    # round in it before it takes one a second time.
    worker = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
    first = int(worker.group()) % _SLICES if worker else random.randrange(_SLICES)
    ports = list(_PORTS)[first::_SLICES]
    start = random.randrange(len(ports))
    return itertools.cycle(ports[start:] + ports[:start])


_next = _of_this_process()


def free_port() -> int:
    for port in _next:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen(1)
            except OSError:
                continue
        return port
    raise AssertionError("unreachable: the ports go round and round")
