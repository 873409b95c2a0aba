"""Receivers of many runs, in a process of its own: each run has its own path."""

import asyncio
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

from bench.http import Messages
from bench.processes import Work, working
from tests.faults import seeds
from tests.faults.elsewhere import attend
from tests.faults.records import Delivery, Told

_HEADER = re.compile(rb"\r\n([!-9;-~]+): *([^\r]*)")
_PATH = re.compile(rb"POST /(\S*)")
# Hands a status to whoever delivered; 0 stands for none.
Say = Callable[[asyncio.Transport, int], None]


def say_at_once(to: asyncio.Transport, status: int) -> None:
    """The whole answer and no more; who has none hangs up."""
    if not status:
        to.abort()
        return
    length = b"" if status == 204 else b"Content-Length: 0\r\n"
    to.write(b"HTTP/1.1 %d -\r\n%b\r\n" % (status, length))


@dataclass(frozen=True, slots=True)
class Manner:
    """How deliveries are answered.

    `refusing` and `hanging_up` are shares of them, `delay` is in seconds. `kills` die, by
    SIGKILL, as soon as one delivery was answered; it is answered normally after that. `say` is
    how an answer is said.
    """

    refusing: float = 0.0
    hanging_up: float = 0.0
    delay: float = 0.0
    statuses: Sequence[int] = (503,)
    kills: Sequence[int] = ()
    say: Say = say_at_once


class Counts(NamedTuple):
    """While they came: deliveries, updates that were taken, each once, and what was answered."""

    deliveries: int
    told: int
    answered: int

    @property
    def are_settled(self) -> bool:
        """Whether no receiver still takes its time."""
        return self.deliveries == self.answered


# Seconds after which what came is read at the latest: signatures are good for five minutes.
_READ_EVERY = 60.0


class Receivers:
    def __init__(self, seed: int) -> None:
        self._chance = seeds.chance(seed, "receivers")
        self._manners: dict[str, Manner] = {}
        self._secrets: dict[str, str] = {}
        # Read when somebody asks: reading is not much work for when the load is on.
        self._unread: list[tuple[float, bytes, bytes, int]] = []
        self._read: list[Delivery] = []
        self._told: set[tuple[str, Told]] = set()
        self._count = 0
        self._opening: set[asyncio.Task[asyncio.Server]] = set()

    async def serve(self, pipe: Connection) -> None:
        pipe.send(self.another())
        reading = asyncio.create_task(self._read_on())
        await attend(pipe, lambda question: getattr(self, question[0])(*question[1:]))
        reading.cancel()

    def another(self) -> str:
        """The URL of one more host, as the service sees it: what is slow there is slow there."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        loop = asyncio.get_running_loop()
        self._opening.add(loop.create_task(loop.create_server(self._connection, sock=listening)))
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    def trust(self, run: str, secret: str) -> None:
        self._secrets[run] = secret

    def behave(self, manner: Manner, runs: Sequence[str]) -> None:
        for run in runs:
            self._manners[run] = manner

    def counts(self) -> Counts:
        self._catch_up()
        return Counts(self._count, len(self._told), len(self._read))

    def history(self) -> list[Delivery]:
        self._catch_up()
        return self._read

    def _connection(self) -> Messages:
        def take(head: bytes, body: bytes) -> None:
            self._count += 1
            run = _run_of(head)
            manner = self._manners.get(run, Manner())
            status = self._status(manner)
            if manner.kills:
                self._manners[run] = Manner()
            answering = asyncio.get_running_loop().call_later
            answering(manner.delay, self._answer, connection, head, body, status, manner)

        connection = Messages(take, lost=lambda: None)
        return connection

    def _status(self, manner: Manner) -> int:
        chance = self._chance.random()
        if chance < manner.hanging_up:
            return 0
        if chance < manner.hanging_up + manner.refusing:
            return self._chance.choice(manner.statuses)
        return 204

    def _answer(
        self, connection: Messages, head: bytes, body: bytes, status: int, manner: Manner
    ) -> None:
        self._unread.append((time.monotonic(), head, body, status))
        manner.say(connection.transport, status)
        for pid in manner.kills:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _read_on(self) -> None:
        while True:
            await asyncio.sleep(_READ_EVERY)
            self._catch_up()

    def _catch_up(self) -> None:
        unread, self._unread = self._unread, []
        for one in unread:
            delivery = self._delivery(*one)
            self._read.append(delivery)
            if delivery.is_accepted:
                self._told |= {(delivery.run, told) for told in delivery.updates}

    def _delivery(self, at: float, head: bytes, body: bytes, status: int) -> Delivery:
        headers = {name.decode().lower(): value.decode() for name, value in _HEADER.findall(head)}
        run = _run_of(head)
        updates = json.loads(body)["updates"]
        told = tuple(Told(one["task_id"], one["seq"], one["state"]) for one in updates)
        is_signed = _fits(self._secrets.get(run), body, headers)
        return Delivery(at, run, headers["webhook-id"], status, is_signed, told)


def _run_of(head: bytes) -> str:
    found = _PATH.match(head)
    return found[1].decode() if found else ""


def _fits(secret: str | None, body: bytes, headers: dict[str, str]) -> bool:
    if secret is None:
        return False
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


class Receiving:
    """The receivers, seen from here."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.url: str = work.result()

    def another(self) -> str:
        url: str = self._ask("another")
        return url

    def trust(self, run: str, secret: str) -> None:
        self._ask("trust", run, secret)

    def behave(self, manner: Manner, runs: Sequence[str]) -> None:
        self._ask("behave", manner, runs)

    def counts(self) -> Counts:
        counts: Counts = self._ask("counts")
        return counts

    def history(self) -> list[Delivery]:
        history: list[Delivery] = self._ask("history")
        return history

    def _ask(self, *question: Any) -> Any:
        return self._work.ask(question)


@contextmanager
def receiving(seed: int) -> Iterator[Receiving]:
    with working(_run, seed) as work:
        yield Receiving(work)


def _run(pipe: Connection, seed: int) -> None:
    asyncio.run(Receivers(seed).serve(pipe))
