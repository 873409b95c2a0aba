"""The `Sender` of HTTP sinks."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import SimpleNamespace

import aiohttp
from multidict import CIMultiDict

from callback_service import __version__
from callback_service.adapters.http_sink.answers import read_answer
from callback_service.adapters.http_sink.bodies import Body, failure_for, news_for
from callback_service.adapters.http_sink.egress import (
    GuardedResolver,
    Lookup,
    guarded_connector,
)
from callback_service.adapters.http_sink.failures import describe
from callback_service.adapters.http_sink.signature import signed
from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.delivery import Answer, Item
from callback_service.domain.run import Failing, Run
from callback_service.domain.sink import Posted, Sink, WesSink

log = logging.getLogger(__name__)

_CLOSING_TIME = 1.0


class HttpSender:
    """POSTs to webhooks. One per process: open and close it in the loop that it sends in.

    Timeouts in seconds: to connect (resolving and TLS included), and for everything.
    `tls` is for operators with a certificate authority of their own.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        connect_timeout: float = 5.0,
        total_timeout: float = 15.0,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup = socket.getaddrinfo,
    ) -> None:
        self._policy = policy
        self._connect_timeout = connect_timeout
        self._total_timeout = total_timeout
        self._tls = tls
        self._lookup = lookup
        self._resolver: GuardedResolver | None = None
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._resolver = GuardedResolver(self._policy, self._lookup)
        self._session = aiohttp.ClientSession(
            connector=guarded_connector(self._policy, self._resolver, self._total_timeout),
            # The total is kept by `_deliver`, over all tries and the answer's body.
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_timeout),
            headers={
                "User-Agent": f"tes-callback-service/{__version__}",
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            trace_configs=[_reuse_noted()],
        )

    async def close(self) -> None:
        if self._session:
            # It would wait until the other sides have taken what was being written to them.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_TIME):
                    await self._session.close()
        if self._resolver:
            await self._resolver.close()

    async def send(
        self, run: Run, sink: Sink, webhook_id: str, items: Sequence[Item], at: datetime
    ) -> Answer:
        return await self._tell(run, sink, webhook_id, partial(news_for, sink, run, items), at)

    async def fail(
        self,
        run: Run,
        sink: Sink,
        webhook_id: str,
        failing: Failing,  # noqa: ARG002  WES has no place for who and why
        at: datetime,
    ) -> Answer:
        return await self._tell(run, sink, webhook_id, partial(failure_for, sink), at)

    async def _tell(
        self, run: Run, sink: Sink, webhook_id: str, body: Callable[[], Body], at: datetime
    ) -> Answer:
        began = time.monotonic()
        try:
            answer = await self._deliver(run, sink, webhook_id, body, at)
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            answer = Answer(error=describe(failure))
        except Exception:
            # Nobody foresaw it, but it is this run's alone: the drain of the others goes on.
            fields = {"run": run.id, "webhook_id": webhook_id}
            log.exception("delivery.broke", extra={"fields": fields})
            answer = Answer(error="the service failed to send it")
        return replace(answer, latency=time.monotonic() - began)

    async def _deliver(
        self, run: Run, sink: Sink, webhook_id: str, body: Callable[[], Body], at: datetime
    ) -> Answer:
        if not isinstance(sink, Posted):
            raise TypeError(f"an HTTP sender was handed a {type(sink).__name__}")
        content_type, text = body()
        headers = CIMultiDict(sink.headers)
        headers.update(signed(webhook_id, at, text, run.secrets))
        headers["Content-Type"] = content_type
        deadline = asyncio.get_running_loop().time() + self._total_timeout
        async with asyncio.timeout_at(deadline):
            response = await self._post(_address(sink), headers, text.encode())
        try:
            return await read_answer(response, at, deadline)
        finally:
            # Goes back to the pool if the answer was read to its end, else it is closed.
            response.release()

    async def _post(
        self, url: str, headers: CIMultiDict[str], body: bytes
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the sender is not open")
        while True:
            attempt = _Try()
            try:
                return await self._session.post(
                    url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    ssl=self._tls or True,
                    trace_request_ctx=attempt,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # A server may close an idle connection just as we send on it. aiohttp tries
                # again for idempotent methods only; our receivers know a repeat by its
                # webhook-id, so we may too. Each round uses up a pooled connection, and the
                # first fresh one decides.
                if not attempt.reused:
                    raise


def _address(sink: Posted) -> str:
    return sink.status_url if isinstance(sink, WesSink) else sink.url


@dataclass(slots=True)
class _Try:
    reused: bool = False


def _reuse_noted() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_reuse)
    return trace


async def _note_reuse(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    context.trace_request_ctx.reused = True
