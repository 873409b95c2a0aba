"""Receivers to deliver to: well-behaved ones, and ones that answer with whatever bytes."""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from callback_service.adapters.http_sink import HttpSender
from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.capability import Capability, new_secret
from callback_service.domain.delivery import Answer, Item
from callback_service.domain.run import Run
from callback_service.domain.sink import HttpSink
from callback_service.domain.states import Source, State
from callback_service.domain.task import TaskKey, Update

LOOPBACK = AddressPolicy(("127.0.0.0/8", "::1/128"))
NOW = datetime.now(UTC).replace(microsecond=123_000)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Let pytest call a test that is a coroutine function."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


def a_run(**fields: Any) -> Run:
    expires_at = NOW + timedelta(days=1)
    fields = {"secrets": (Capability(new_secret()),), **fields}
    return Run("r1", "local", "default", NOW, expires_at, **fields)


def an_item(task_id: str = "t1", seq: int = 2, state: State = State.COMPLETE) -> Item:
    key = TaskKey("local", "default", task_id)
    return Item(key, Update(seq, state, NOW, Source.CALLBACK), State.RUNNING)


@asynccontextmanager
async def sender(policy: AddressPolicy = LOOPBACK, **options: Any) -> AsyncIterator[HttpSender]:
    sender = HttpSender(policy, **options)
    await sender.open()
    try:
        yield sender
    finally:
        await sender.close()


async def deliver(sender: HttpSender, url: str, **sink: Any) -> Answer:
    return await sender.send(a_run(), HttpSink(url, **sink), "msg_1", [an_item()], NOW)


@dataclass
class Receiver:
    """Keeps what it was sent; answers as told, the last answer again and again."""

    url: str = ""
    answers: list[web.Response] = field(default_factory=list)
    requests: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.requests.append(request)
        self.bodies.append(await request.text())
        number = min(len(self.requests), len(self.answers))
        told = self.answers[number - 1] if self.answers else web.Response(status=204)
        return web.Response(status=told.status, headers=told.headers, body=told.body)


@asynccontextmanager
async def receiver(
    *answers: web.Response, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    heard = Receiver(answers=list(answers))
    runner = web.ServerRunner(web.Server(heard.answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0, ssl_context=tls).start()
        heard.url = f"{'https' if tls else 'http'}://{host}:{runner.addresses[0][1]}/hook"
        yield heard
    finally:
        await runner.cleanup()


@asynccontextmanager
async def talker(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that reads requests, if at all, and writes whatever `talk` does; yields its URL."""
    talks: set[asyncio.Task[Any]] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            talks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def saying(answer: bytes) -> Talk:
    """Answer each connection's first request with these bytes, and close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return talk


async def read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    await reader.readexactly(length)
