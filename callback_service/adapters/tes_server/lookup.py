"""The addresses behind a server's host name."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

from callback_service.domain.addresses import AddressPolicy

# A name server that does not answer holds a thread for half a minute. It is one thread for each
# name, so that only as many dead names as this can hold up the names of other servers.
_THREADS = 16

# Family and address, as sockets take them.
Address = tuple[int, tuple[Any, ...]]
Resolve = Callable[..., list[Any]]

# TES servers are the operator's own, and mostly at private addresses.
_POLICY = AddressPolicy(("0.0.0.0/0", "::/0"))


class RefusedAddress(OSError):
    """A server may not be at this address; the text says which one and why."""


class Lookup:
    """Resolves names within a time; the system's resolver knows no deadline."""

    def __init__(self, resolve: Resolve = socket.getaddrinfo) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tes-lookup")
        self._pending: dict[tuple[str, int], Future[list[Any]]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, patience: float) -> list[Address]:
        """Raises `OSError`: among them `gaierror`, `TimeoutError` and `RefusedAddress`."""
        found = _literal(host, port) or self._resolved(host, port, patience)
        reasons = {address: _POLICY.refuses(str(address[1][0])) for address in found}
        allowed = [address for address, reason in reasons.items() if not reason]
        if not allowed:
            raise RefusedAddress(next(filter(None, reasons.values()), "resolves to nothing"))
        return allowed

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _resolved(self, host: str, port: int, patience: float) -> list[Address]:
        try:
            infos = self._shared(host, port).result(patience)
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "is not a host name") from None
        return [(family, sockaddr) for family, *_, sockaddr in infos]

    def _shared(self, host: str, port: int) -> Future[list[Any]]:
        """One lookup for all who want the same name at the same time."""
        with self._lock:
            if pending := self._pending.get((host, port)):
                return pending
            future = self._threads.submit(self._resolve, host, port, type=socket.SOCK_STREAM)
            self._pending[host, port] = future
        # Not under the lock: it is called at once where the lookup is done already.
        future.add_done_callback(lambda _: self._forget(host, port))
        return future

    def _forget(self, host: str, port: int) -> None:
        with self._lock:
            self._pending.pop((host, port), None)


def _literal(host: str, port: int) -> list[Address] | None:
    try:
        version = ip_address(host.partition("%")[0]).version
    except ValueError:
        return None
    return [(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))]
