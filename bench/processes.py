"""The generator, the receiver and the floor each in a process of its own, beside the service's."""

import asyncio
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol

from bench.ledger import Arrived, Sent
from bench.receiver import Receiver

# A fresh interpreter: nothing of this process slows it down.
_context = multiprocessing.get_context("spawn")


def take_precedence() -> None:
    """Come before all other processes of this machine, where that is allowed: to root.

    For who makes the load: one that is late is not the load that it is said to be. `nice` does not
    reach beyond the session, and the service's processes have sessions of their own.
    """
    with suppress(AttributeError, PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


class Load(Protocol):
    async def run(self) -> list[Sent]: ...


class Work:
    """Something that runs elsewhere; its results are waited for, or its questions answered."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        self._ours, theirs = _context.Pipe()
        # A daemon: it ends with this process. Killed, this one's end of the pipe says so.
        self._process = _context.Process(target=target, args=(theirs, *arguments), daemon=True)
        self._process.start()
        theirs.close()

    def result(self) -> Any:
        try:
            return self._ours.recv()
        except EOFError:
            raise RuntimeError("a process of the benchmark died; its error is above") from None

    def ask(self, question: Any) -> Any:
        self._ours.send(question)
        return self.result()

    def end(self) -> None:
        self._ours.close()
        self._process.join(2)
        self._process.kill()
        self._process.join()


@contextmanager
def working(target: Any, *arguments: Any) -> Iterator[Work]:
    work = Work(target, *arguments)
    try:
        yield work
    finally:
        work.end()


class Receiving:
    """The receiver, seen from here."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.url: str = work.result()

    def count(self) -> int:
        """How many changes arrived; repeats count once."""
        count: int = self._work.ask("count")
        return count

    def arrived(self) -> list[Arrived]:
        arrived: list[Arrived] = self._work.ask("arrived")
        return arrived


@contextmanager
def receiving() -> Iterator[Receiving]:
    with working(serve_receiver) as work:
        yield Receiving(work)


def serve_receiver(pipe: Connection) -> None:
    asyncio.run(Receiver().serve(pipe))


def run_load(pipe: Connection, load: Load) -> None:
    pipe.send(asyncio.run(load.run()))
