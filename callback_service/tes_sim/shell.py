"""The simulated server on a socket, with the clock of this machine."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from callback_service.tes_sim import steering
from callback_service.tes_sim.callbacks import send_callbacks
from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.execution.executions import execute_tasks
from callback_service.tes_sim.reply import Reply

_LARGEST_BODY = 64 * 2**20
_WAITING_CONNECTIONS = 1024
_ENDLESS = b" " * 2**16
# Whoever still waits for an answer at the end gets none.
_LAST_MOMENT = 0.01
# What browsers put in, and other clients do not.
_OF_BROWSERS = ("Origin", "Sec-Fetch-Site")

Note = Callable[[str], None]


def unnoted(_line: str) -> None:
    """Nobody wants to read about the requests."""


class Shell:
    """`note` is handed a line for each request; tasks are executed in `folder`, if there is one.

    Whoever reaches it runs what they like on this machine then: give it a loopback address.
    """

    def __init__(
        self, core: SimulatedServer, note: Note = unnoted, folder: Path | None = None
    ) -> None:
        self._core = core
        self._note = note
        self._folder = folder
        self._open = AsyncExitStack()

    async def start(self, host: str, port: int) -> int:
        """Begin to listen, and answer on which port; raises `OSError` where nothing can."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_MOMENT)
        await runner.setup()
        self._open.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host, port, backlog=_WAITING_CONNECTIONS).start()
        sending = asyncio.create_task(send_callbacks(self._core))
        self._open.callback(sending.cancel)
        if self._folder:
            self._execute(self._folder)
        bound: int = runner.addresses[0][1]
        return bound

    async def stop(self) -> None:
        await self._open.aclose()

    def _execute(self, folder: Path) -> None:
        executing = asyncio.create_task(execute_tasks(self._core, folder))

        async def end() -> None:
            executing.cancel()
            await asyncio.wait([executing])

        self._open.push_async_callback(end)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._folder and any(name in request.headers for name in _OF_BROWSERS):
            # Any page could have a browser on this machine submit a task.
            return web.Response(status=HTTPStatus.FORBIDDEN)
        body, path, now = await request.read(), request.rel_url.raw_path, datetime.now(UTC)
        if path.startswith(steering.PREFIX):
            return _response(steering.steer(self._core, request.method, path, body, now))
        reply = self._core.answer(
            request.method,
            path,
            list(request.query.items()),
            body,
            request.headers.get("Authorization"),
            now=now,
        )
        url = request.rel_url.raw_path_qs
        self._note(f"{now:%H:%M:%S.%f} {request.method} {url} status={reply.status}")
        return await _send(request, reply)


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    await asyncio.sleep(reply.manner.delay)
    if reply.manner.hangs_up:
        if request.transport:
            request.transport.abort()
        return web.Response()
    if reply.manner.drip or reply.manner.endless:
        return await _stream(request, reply)
    return _response(reply)


async def _stream(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    await response.prepare(request)
    for byte in reply.body:
        await response.write(bytes([byte]))
        await asyncio.sleep(reply.manner.drip)
    while reply.manner.endless:
        await response.write(_ENDLESS)
        # Writing to somebody who reads fast enough gives others no turn.
        await asyncio.sleep(0)
    return response


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
