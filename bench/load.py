"""The generator: callbacks as fast as they are acknowledged, or each at its time."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from bench.http import Caller
from bench.ledger import Change, Sent
from bench.plan import Window

# More at once wait for a free one, which counts as the service's time.
_MOST_CONNECTIONS = 256


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Each connection sends its next callback when the one before it is answered."""

    url: str
    series: str
    states: Sequence[str]
    connections: int
    ends: float

    async def run(self) -> list[Sent]:
        numbers = count()
        sent: list[Sent] = []
        await asyncio.gather(*(self._call(numbers, sent) for _ in range(self.connections)))
        return sent

    async def _call(self, numbers: Iterator[int], sent: list[Sent]) -> None:
        caller = Caller(self.url)
        while time.monotonic() < self.ends:
            task = f"{self.series}-{next(numbers):06d}"
            for change in (Change(task, state) for state in self.states):
                one = await _send(caller, change, time.monotonic())
                sent.append(one)
        caller.close()


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """A callback every 1/`rate` seconds, whatever becomes of those before it.

    A task's callbacks are a second apart, and follow each other's answers: else
    it would be chance which of them the service heard first.
    """

    url: str
    series: str
    states: Sequence[str]
    rate: int
    window: Window

    async def run(self) -> list[Sent]:
        # The one that was used last comes first: a few carry it all unless answers are slow.
        idle: asyncio.LifoQueue[Caller] = asyncio.LifoQueue()
        for _ in range(_MOST_CONNECTIONS):
            idle.put_nowait(Caller(self.url))
        before: dict[str, asyncio.Task[Sent]] = {}
        calls = []
        for due, change in self._schedule():
            await asyncio.sleep(due - time.monotonic())
            call = asyncio.create_task(self._call(idle, change, due, before.get(change.task)))
            before[change.task] = call
            calls.append(call)
        return await asyncio.gather(*calls)

    def _schedule(self) -> Iterator[tuple[float, Change]]:
        for number in range(int(self.window.seconds * self.rate)):
            block, place = divmod(number, self.rate * len(self.states))
            state, task = divmod(place, self.rate)
            change = Change(f"{self.series}-{block:04d}-{task:05d}", self.states[state])
            yield self.window.begins + number / self.rate, change

    async def _call(
        self,
        idle: asyncio.LifoQueue[Caller],
        change: Change,
        due: float,
        before: asyncio.Task[Sent] | None,
    ) -> Sent:
        lag = time.monotonic() - due
        if before:
            await before
        caller = await idle.get()
        try:
            return (await _send(caller, change, due))._replace(lag=lag)
        finally:
            idle.put_nowait(caller)


async def _send(caller: Caller, change: Change, due: float) -> Sent:
    status = await caller.post({"id": change.task, "state": change.state})
    return Sent(change, due, 0.0, time.monotonic(), status)
