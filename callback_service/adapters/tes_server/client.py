"""The `TesServers` of both processes."""

import socket
from collections.abc import Mapping
from pathlib import Path

from callback_service import __version__
from callback_service.adapters.tes_server.bases import Bases
from callback_service.adapters.tes_server.credentials import Credentials, Unreadable
from callback_service.adapters.tes_server.exchange import Exchange, Watchdog
from callback_service.adapters.tes_server.lookup import Lookup, Resolve
from callback_service.adapters.tes_server.places import Places
from callback_service.adapters.tes_server.tls import tls_context
from callback_service.adapters.tes_server.transport import Request, Transport
from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.ports import Question, Reply

_HEADERS = {
    "User-Agent": f"tes-callback-service/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}


class HttpTesServers:
    """Asks servers over HTTP; one per process, for any number of threads or greenlets.

    `timeout`, in seconds, is for a whole question: finding the server's base, connecting, sending
    and reading. `max_response` bytes are read of an answer, and `per_server` questions may be
    under way to one server. Raises `ConfigError` where `ca_file` cannot be used.
    """

    def __init__(  # noqa: PLR0913  each of them is a setting, and has a name
        self,
        credentials: Mapping[str, Credentials] | None = None,
        *,
        timeout: float = 8.0,
        max_response: int = 32 * 2**20,
        per_server: int = 256,
        ca_file: Path | None = None,
        resolve: Resolve = socket.getaddrinfo,
        bases: Bases | None = None,
    ) -> None:
        self._credentials = dict(credentials or {})
        self._watchdog = Watchdog(timeout)
        self._transport = Transport(Lookup(resolve), tls_context(ca_file), max_response)
        self._places = Places(per_server)
        self._bases = bases or Bases()

    def ask(self, server: Server, question: Question) -> Reply:
        shown = self._shown(server, question)
        with self._places.taken(server.key), self._watchdog.exchange() as exchange:
            try:
                reply = self._ask(server, question, shown, exchange)
            except ServerFailed:
                if exchange.is_unreached:
                    self._bases.doubt(server)
                raise
        if reply.status == 404:
            self._bases.miss(server)
        return reply

    def close(self) -> None:
        self._transport.close()
        self._watchdog.close()

    def _ask(
        self, server: Server, question: Question, shown: Mapping[str, str], exchange: Exchange
    ) -> Reply:
        headers = {**_HEADERS, **shown}

        def probe(base: str, target: str) -> Reply:
            return self._transport.send(
                Request(server.key, base, target, headers=headers), exchange
            )

        base = self._bases.of(server, probe, exchange)
        if question.body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        target = f"{question.path}?{question.query}" if question.query else question.path
        request = Request(server.key, base, target, question.method, question.body, headers)
        return self._transport.send(request, exchange)

    def _shown(self, server: Server, question: Question) -> dict[str, str]:
        """The header by which the server knows whoever asks."""
        if question.authorization is not None:
            return {"Authorization": question.authorization}
        if question.is_callers or server.credentials is None:
            return {}
        name = server.credentials
        if name not in self._credentials:
            reason = f"`custom.servers.credentials` has no {name}"
            raise ServerFailed(f"the TES server {server.key} cannot be asked: {reason}")
        try:
            return {"Authorization": self._credentials[name].authorization()}
        except Unreadable as error:
            reason = f"its credentials {name} cannot be had: {error}"
            raise ServerFailed(f"the TES server {server.key} cannot be asked: {reason}") from None
