"""Connections that refused addresses cannot slip through.

A name is resolved once, by our resolver, which leaves out what the policy
refuses. What is about to be connected to is checked again where the socket is
made: literal addresses never pass a resolver, and an address that was checked
there cannot be swapped for another one, for nothing is resolved after it.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aiohttp import AddrInfoType, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from callback_service.domain.addresses import AddressPolicy

# A name server that does not answer holds a thread for seconds, and must not hold up the names of
# other runs: hence threads of our own, and more of them than the loop's default would have.
_LOOKUP_THREADS = 32

Lookup = Callable[..., list[Any]]


class RefusedAddress(OSError):
    """The policy refuses an address; the text says which one and why.

    An OSError, for that is what aiohttp takes for a failure to resolve or connect.
    """


def guard(policy: AddressPolicy, address: str) -> None:
    try:
        reason = policy.refuses(address)
    except ValueError:
        # The system's resolver takes 127.1 and its like for addresses; no policy can judge them.
        reason = f"{address} is not a whole address"
    if reason:
        raise RefusedAddress(reason)


class GuardedResolver(AbstractResolver):
    """Resolves names to those of their addresses that the policy lets pass."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup = socket.getaddrinfo) -> None:
        self._policy = policy
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._addresses(host, port, family)
        refused = {address: self._refusal(address) for address in addresses}
        allowed = [address for address, refusal in refused.items() if not refusal]
        if not allowed:
            raise next(filter(None, refused.values()), OSError("resolves to nothing"))
        return [_result(host, address, port) for address in allowed]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _addresses(self, host: str, port: int, family: int) -> list[str]:
        lookup = partial(
            self._lookup,
            host,
            port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        try:
            infos = await asyncio.get_running_loop().run_in_executor(self._threads, lookup)
        except UnicodeError:
            raise OSError("is not a host name") from None
        return [sockaddr[0] for *_, sockaddr in infos]

    def _refusal(self, address: str) -> RefusedAddress | None:
        try:
            guard(self._policy, address)
        except RefusedAddress as refusal:
            return refusal
        return None


def _result(name: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=name,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )


def guarded_socket(policy: AddressPolicy, patience: float, to: AddrInfoType) -> socket.socket:
    """A socket for the address that it is going to be connected to, if that is allowed."""
    family, kind, protocol, _, sockaddr = to
    guard(policy, str(sockaddr[0]))
    made = socket.socket(family, kind, protocol)
    if sys.platform == "linux":
        # A transport that was given up stays, with what it has yet to write, for as long as the
        # other side is there and does not read. The kernel ends that.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience * 1000))
    return made


def guarded_connector(
    policy: AddressPolicy, resolver: GuardedResolver, patience: float
) -> TCPConnector:
    """Connections that are held no longer than `patience` seconds for what nobody takes."""
    return TCPConnector(
        resolver=resolver,
        socket_factory=partial(guarded_socket, policy, patience),
        # The relay bounds how many deliveries are on their way. A bound here would let endpoints
        # that stall hold up those that do not.
        limit=0,
    )
