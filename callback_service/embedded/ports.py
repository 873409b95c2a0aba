"""Addresses: the one that is asked for, and a free one for the database."""

import errno
import ipaddress
import os
import random
import socket
import time

from callback_service.embedded.errors import CannotStart

# Below the ports that systems give to outgoing connections (Linux from 32768, others from 49152):
# from there, any of them could sit on the database's port while that is down, and a client that
# knocks at its closed port could even be connected with itself.
_PRIVATE_PORTS = range(20_000, 32_000)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reachable(host: str) -> str:
    """The address under which this machine itself reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared only


def url_of(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


def require_free(host: str, port: int, patience: float = 1.0) -> None:
    """After `kill -9` the old processes may need a moment to let go of the port."""
    deadline = time.monotonic() + patience
    while error := _why_not(host, port):
        if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
            raise CannotStart(_sentence(error, host, port)) from error
        time.sleep(0.05)


def pick_free() -> int:
    candidates = random.sample(_PRIVATE_PORTS, 100)
    for port in candidates:
        if not _why_not("127.0.0.1", port):
            return port
    raise CannotStart(
        "No port for the database is free on 127.0.0.1: set MONGO_URI to use another."
    )


def _why_not(host: str, port: int) -> OSError | None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            # As gunicorn does: connections that are only winding down are no hindrance.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen(1)
    except OSError as error:
        return error
    return None


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken: stop what listens there or choose another --port."
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"Port {port} of {host} may not be used by this user: choose a --port above 1023."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: choose another --host, such as 127.0.0.1."
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"Nothing can listen on {host} port {port} ({reason}): choose another --host or --port."
