"""HTTP/1.1 as far as the load and the receiver need it: they must cost little.

Bodies have a Content-Length; connections are kept.
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"


class Messages(asyncio.Protocol):
    """Hands each whole message, head and body, to `take`."""

    def __init__(self, take: Callable[[bytes, bytes], None], lost: Callable[[], None]) -> None:
        self.transport: asyncio.Transport
        self._take = take
        self._lost = lost
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  that is what TCP has
        self.transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost()

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (head := self._held.find(_END)) >= 0:
            length = _LENGTH.search(self._held, 0, head)
            end = head + len(_END) + (int(length[1]) if length else 0)
            if len(self._held) < end:
                return
            message, self._held = self._held[:end], self._held[end:]
            self._take(message[:head], message[head + len(_END) :])


class Caller:
    """One connection that POSTs JSON, one request at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._connection: Messages | None = None
        self._answer: asyncio.Future[int] | None = None

    async def post(self, body: Any) -> int:
        """The status; 0 where the connection broke before one came."""
        try:
            connection = self._connection or await self._connect()
        except OSError:
            return 0
        content = json.dumps(body).encode()
        self._answer = asyncio.get_running_loop().create_future()
        connection.transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(content), content))
        return await self._answer

    def close(self) -> None:
        if self._connection:
            self._connection.transport.close()

    async def _connect(self) -> Messages:
        loop = asyncio.get_running_loop()
        _, self._connection = await loop.create_connection(
            lambda: Messages(self._take, self._break), self._host, self._port
        )
        return self._connection

    def _take(self, head: bytes, _body: bytes) -> None:
        self._end(int(head[9:12]))

    def _break(self) -> None:
        self._connection = None
        self._end(0)

    def _end(self, status: int) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(status)
