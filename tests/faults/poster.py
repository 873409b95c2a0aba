"""POSTs JSON over kept connections, as many at once as are asked for; it must cost little."""

import asyncio
import json
import re
from collections import defaultdict
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench.http import Messages

Place = tuple[str, int]
_LATER = re.compile(rb"\r\nRetry-After: *(\d+)", re.IGNORECASE)


class Said(NamedTuple):
    """A status, and in how many seconds to come again.

    `is_cut`: the request went out, and no answer came back; 0 alone says that nobody took it.
    """

    status: int
    later: float = 0.0
    is_cut: bool = False


class Poster:
    """`patience` in seconds for a whole request, the connection included."""

    def __init__(self, patience: float = 10.0) -> None:
        self._patience = patience
        self._idle: dict[Place, list[_Line]] = defaultdict(list)

    async def post(self, url: str, body: Any, token: str = "") -> int:
        return (await self.say(url, body, token)).status

    async def say(self, url: str, body: Any, token: str = "") -> Said:
        """The status is 0 where no answer came, and nobody knows whether it was heard."""
        parts = urlsplit(url)
        place = parts.hostname or "", parts.port or 80
        content = json.dumps(body).encode()
        shown = f"Authorization: Bearer {token}\r\n" if token else ""
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n{shown}\r\n"
        )
        was_sent = False
        try:
            async with asyncio.timeout(self._patience):
                line = await self._line(place)
                was_sent = True
                try:
                    said = await line.ask(head.encode() + content)
                except BaseException:
                    line.close()
                    raise
        except OSError:
            return Said(0, is_cut=was_sent)
        self._idle[place].append(line)
        return said

    async def _line(self, place: Place) -> "_Line":
        # The one that was used last comes first: a few carry it all unless answers are slow.
        while self._idle[place]:
            line = self._idle[place].pop()
            if line.is_open:
                return line
        line = _Line()
        await asyncio.get_running_loop().create_connection(lambda: line.messages, *place)
        return line

    def close(self) -> None:
        for lines in self._idle.values():
            for line in lines:
                line.close()


class _Line:
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.is_open = True
        self.messages = Messages(self._take, self._break)
        self._answer: asyncio.Future[Said] | None = None

    async def ask(self, request: bytes) -> Said:
        self._answer = asyncio.get_running_loop().create_future()
        self.messages.transport.write(request)
        return await self._answer

    def close(self) -> None:
        # Nothing that was sent may arrive after it was given up here.
        with suppress(AttributeError):
            self.messages.transport.abort()

    def _take(self, head: bytes, _body: bytes) -> None:
        if self._answer and not self._answer.done():
            later = _LATER.search(head)
            self._answer.set_result(Said(int(head[9:12]), float(later[1]) if later else 0.0))

    def _break(self) -> None:
        self.is_open = False
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())
