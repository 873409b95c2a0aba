"""What a process of its own answers when it is asked through its pipe."""

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


async def attend(pipe: Connection, answers: Callable[[Any], Any]) -> None:
    """Answer until the other end of the pipe is closed; raise what an answer raised."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def attend_to_one() -> None:
        try:
            pipe.send(answers(pipe.recv()))
        except (EOFError, OSError):
            over.set_result(None)
        except Exception as error:  # noqa: BLE001  the process dies of it, and whoever asked knows
            over.set_exception(error)

    loop.add_reader(pipe.fileno(), attend_to_one)
    try:
        await over
    finally:
        loop.remove_reader(pipe.fileno())
