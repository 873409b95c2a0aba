"""Requests and their answers: a POST once, a GET once more where that can do no harm."""

import http.client
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from callback_service.adapters.tes_server.answer import read_answer
from callback_service.adapters.tes_server.connection import Connection
from callback_service.adapters.tes_server.exchange import Exchange
from callback_service.adapters.tes_server.failures import FAILURES, failed
from callback_service.adapters.tes_server.kept import KeptConnections
from callback_service.adapters.tes_server.lookup import Lookup
from callback_service.adapters.tes_server.origin import Origin
from callback_service.relay.ports import Method, Reply


@dataclass(frozen=True, slots=True)
class Request:
    """As it goes over the wire; `base` is a URL, `target` what follows it."""

    server: str
    base: str
    target: str
    method: Method = Method.GET
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Transport:
    """Keeps connections between requests."""

    def __init__(self, lookup: Lookup, tls: ssl.SSLContext, max_response: int) -> None:
        self._lookup = lookup
        self._tls = tls
        self._max_response = max_response
        self._kept = KeptConnections()

    def send(self, request: Request, exchange: Exchange) -> Reply:
        """Raises `ServerFailed`."""
        url = urlsplit(request.base)
        origin = Origin.of(url)
        try:
            return self._send(request, origin, f"{url.path}{request.target}", exchange)
        except FAILURES as error:
            failure = failed(request.server, origin, exchange, error)
            # The others quote what cannot be sent, which may be somebody's credentials.
            if isinstance(error, OSError):
                failure.__cause__ = error
        # Not above: it would drag the error along as its context.
        raise failure

    def close(self) -> None:
        self._kept.close()
        self._lookup.close()

    def _send(self, request: Request, origin: Origin, target: str, exchange: Exchange) -> Reply:
        # A server may close a kept connection just as we send on it, and whether it has read the
        # request nobody knows. So what must not be done twice goes over a fresh one.
        kept = self._kept.take(origin) if request.method is Method.GET else None
        if kept:
            kept.resume(exchange)
            # Only before the answer began; the first fresh connection decides.
            with suppress(ConnectionError):
                return self._read(kept, _ask(kept, request, target), request, exchange)
        fresh = Connection(origin)
        fresh.open(self._lookup, self._tls, exchange)
        return self._read(fresh, _ask(fresh, request, target), request, exchange)

    def _read(
        self,
        connection: Connection,
        response: http.client.HTTPResponse,
        request: Request,
        exchange: Exchange,
    ) -> Reply:
        try:
            reply = read_answer(response, request.base, self._max_response, exchange)
        except BaseException:
            response.close()
            connection.close()
            raise
        # `http.client` has closed it if the server wants it closed.
        if connection.sock:
            self._kept.keep(connection)
        return reply


def _ask(connection: Connection, request: Request, target: str) -> http.client.HTTPResponse:
    try:
        # A server may refuse a body before it has read all of it, and close: its answer is there
        # nevertheless.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(request.method, target, request.body, dict(request.headers))
        return connection.getresponse()
    except BaseException:
        connection.close()
        raise
