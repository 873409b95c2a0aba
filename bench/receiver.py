"""A webhook's receiver that notes when each update came, and reads it when the load is over."""

import asyncio
import json
import time
from multiprocessing.connection import Connection

from bench.http import Messages
from bench.ledger import Arrived, Change

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver:
    """Lives in a process of its own; `serve` answers what it is asked through the pipe."""

    def __init__(self) -> None:
        self._deliveries: list[tuple[float, bytes]] = []
        self._arrived: list[Arrived] = []

    async def serve(self, pipe: Connection) -> None:
        """Until the other end of the pipe is closed."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        server = await loop.create_server(self._connection, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        pipe.send(f"http://127.0.0.1:{port}/")

        def attend() -> None:
            try:
                pipe.send(self._answer(pipe.recv()))
            except (EOFError, OSError):
                over.set()

        loop.add_reader(pipe.fileno(), attend)
        await over.wait()

    def _answer(self, question: str) -> object:
        self._read()
        return len({one.change for one in self._arrived}) if question == "count" else self._arrived

    def _connection(self) -> Messages:
        def take(_head: bytes, body: bytes) -> None:
            self._deliveries.append((time.monotonic(), body))
            connection.transport.write(_ANSWER)

        connection = Messages(take, lost=lambda: None)
        return connection

    def _read(self) -> None:
        """What came since it was last asked: reading is no work for when the load is on."""
        deliveries, self._deliveries = self._deliveries, []
        for at, body in deliveries:
            for update in json.loads(body)["updates"]:
                self._arrived.append(Arrived(Change(update["task_id"], update["state"]), at))
