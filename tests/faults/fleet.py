"""Many simulated tasks whose servers call back, in a process of its own.

An open loop: tasks begin when they are due, whatever becomes of those before them. A server
sends a callback again until it is acknowledged, and the next one only then.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import NamedTuple

from bench.processes import Work, take_precedence, working
from tests.e2e.conditions import until
from tests.faults import seeds
from tests.faults.elsewhere import attend
from tests.faults.poster import Poster
from tests.faults.records import Attempt

# Seconds that are longer than anything that a fleet is waited for.
_PATIENCE = 300.0
# As TESK's sender says of a task with two executors, without its repeats.
STATES = ("INITIALIZING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETE")


@dataclass(frozen=True, slots=True)
class Load:
    """`rate` in callbacks per second; the rest in seconds.

    `urls`: by run, the callback URL at each API; who is refused at one tries the next.
    `gap`: how long a task stays in a state, on the average.
    """

    urls: Mapping[str, Sequence[str]]
    rate: float
    seconds: float
    states: Sequence[str] = STATES
    gap: float = 0.5
    seed: int = 0
    # Tasks of two loads are not the same tasks.
    name: str = "1"
    patience: float = 10.0
    pauses: tuple[float, float] = (0.5, 2.0)
    # Pauses begin when a `Retry-After` has passed.
    is_obedient: bool = False
    # Tasks that are under way at once; with a few, and all of them due, it is a closed loop.
    at_once: int = 100_000

    @property
    def tasks(self) -> int:
        return round(self.rate * self.seconds / len(self.states))


class Progress(NamedTuple):
    """What was counted while it was sent; `lag` is the longest that a task began too late."""

    sent: int
    acknowledged: int
    is_over: bool
    lag: float


@dataclass
class Fleet:
    load: Load
    attempts: list[Attempt] = field(default_factory=list)
    _sent: int = 0
    _acknowledged: int = 0
    _lag: float = 0.0
    _is_over: bool = False
    _is_ending: bool = False

    def __post_init__(self) -> None:
        self._poster = Poster(self.load.patience)
        self._places = asyncio.Semaphore(self.load.at_once)

    async def serve(self, pipe: Connection) -> None:
        sending = asyncio.create_task(self.send())
        await attend(pipe, lambda question: getattr(self, question)())
        sending.cancel()

    def progress(self) -> Progress:
        return Progress(self._sent, self._acknowledged, self._is_over, self._lag)

    def history(self) -> list[Attempt]:
        return self.attempts

    def finish(self) -> None:
        """Begin no more tasks; those that have begun go on to their ends."""
        self._is_ending = True

    async def send(self) -> None:
        began, load = time.monotonic(), self.load
        async with asyncio.TaskGroup() as group:
            for number in range(load.tasks):
                due = began + number * load.seconds / load.tasks
                await asyncio.sleep(due - time.monotonic())
                if self._is_ending:
                    break
                self._lag = max(self._lag, time.monotonic() - due)
                group.create_task(self._play_in_turn(number))
        self._is_over = True

    async def _play_in_turn(self, number: int) -> None:
        async with self._places:
            await self._play(number)

    async def _play(self, number: int) -> None:
        """One task, from its first state to its last."""
        # Of its own, so that what others meet with changes nothing of what it does.
        chance = seeds.chance(self.load.seed, f"task {self.load.name}/{number}")
        runs = sorted(self.load.urls)
        run, task = runs[number % len(runs)], f"task-{self.load.name}-{number:06d}"
        tries = number
        for state in self.load.states:
            while (later := await self._call_back(run, task, state, tries)) is not None:
                tries += 1
                at_least = later if self.load.is_obedient else 0.0
                await asyncio.sleep(at_least + chance.uniform(*self.load.pauses))
            if state != self.load.states[-1]:
                await asyncio.sleep(chance.uniform(0, 2 * self.load.gap))

    async def _call_back(self, run: str, task: str, state: str, tries: int) -> float | None:
        """Nothing where it was acknowledged; else in how many seconds to come again."""
        urls = self.load.urls[run]
        self._sent += 1
        sent_at = time.monotonic()
        said = await self._poster.say(urls[tries % len(urls)], {"id": task, "state": state})
        ended_at = time.monotonic()
        attempt = Attempt(run, task, state, sent_at, ended_at, said.status, said.is_cut, said.later)
        self.attempts.append(attempt)
        self._acknowledged += attempt.is_acknowledged
        return None if attempt.is_acknowledged else said.later


class Sending:
    """A fleet, seen from here."""

    def __init__(self, work: Work, load: Load) -> None:
        self.load = load
        self._work = work

    def progress(self) -> Progress:
        progress: Progress = self._work.ask("progress")
        return progress

    def history(self) -> list[Attempt]:
        history: list[Attempt] = self._work.ask("history")
        return history

    def until_sent(self, number: float) -> None:
        until(lambda: self.progress().sent >= number, within=_PATIENCE)

    def finish(self) -> None:
        self._work.ask("finish")


def progress_of(fleets: Sequence[Sending]) -> Progress:
    """Of all of them together."""
    each = [fleet.progress() for fleet in fleets]
    return Progress(
        sum(one.sent for one in each),
        sum(one.acknowledged for one in each),
        all(one.is_over for one in each),
        max(one.lag for one in each),
    )


@contextmanager
def sending(load: Load) -> Iterator[Sending]:
    with working(_run, load) as work:
        yield Sending(work, load)


def _run(pipe: Connection, load: Load) -> None:
    take_precedence()
    asyncio.run(Fleet(load).serve(pipe))
