"""Simulated TES servers that tell the truth when they are asked, in a process of their own.

What their tasks call back is another matter: it meets with mishaps.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

from bench.processes import Work, working
from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.profiles import PROFILES
from callback_service.tes_sim.shell import Shell
from tests.faults import seeds
from tests.faults.clocks import monotonic
from tests.faults.elsewhere import attend
from tests.faults.fleet import Fleet, Load, Sending
from tests.faults.mishaps import Mishaps, Post, posts
from tests.faults.records import Asked, Truth, Turn

_BUSY = {0, 429, 503}
# Seconds.
_PAUSE = 0.5
_READS = {"ListTasks", "GetTask"}
# Those besides the one for each turn.
_MORE = {"repeated", "undone"}
_EXECUTORS = [{"image": "alpine", "command": ["true"]}]


@dataclass(frozen=True, slots=True)
class Engine:
    """Who has its runs follow their tasks; `urls` by run."""

    server: str
    token: str
    urls: Mapping[str, str]


@dataclass
class ServedFleet(Fleet):
    """A fleet whose tasks go their own ways, whatever becomes of their callbacks."""

    core: SimulatedServer = field(kw_only=True)
    mishaps: Mishaps = field(kw_only=True)
    engine: Engine | None = field(kw_only=True)
    truths: list[Truth] = field(default_factory=list, kw_only=True)
    met: Counter[str] = field(default_factory=Counter, kw_only=True)

    async def _play(self, number: int) -> None:
        chance = seeds.chance(self.load.seed, f"task {self.load.name}/{number}")
        runs = sorted(self.load.urls)
        run = runs[number % len(runs)]
        gaps = [chance.uniform(0.5, 1.5) * self.load.gap for _ in self.load.states[1:]]
        task, turns = _submit(self.core, self.load.states, gaps)
        self.truths.append(Truth(task, run, turns))
        if self.engine:
            await self._follow(self.engine, run, task)
        told = posts(turns, self.mishaps, chance)
        self.met.update(one.mishap for one in told)
        self.met["dropped"] += len(turns) - sum(one.mishap not in _MORE for one in told)
        async with asyncio.TaskGroup() as group:
            for tries, one in enumerate(told, number):
                group.create_task(self._tell(run, task, one, tries))

    async def _follow(self, engine: Engine, run: str, task: str) -> None:
        """As engines do: again, where the service is too busy."""
        wish = {"tasks": [{"id": task, "server": engine.server}]}
        while (status := await self._poster.post(engine.urls[run], wish, engine.token)) // 100 != 2:
            if status not in _BUSY:
                raise RuntimeError(f"a run was to follow a task, and the answer was {status}")
            await asyncio.sleep(_PAUSE)

    async def _tell(self, run: str, task: str, one: Post, tries: int) -> None:
        await asyncio.sleep(one.at - time.monotonic())
        # The network drops what is to be dropped; what a busy service refuses comes again.
        while (later := await self._call_back(run, task, one.state, tries)) is not None:
            tries += 1
            await asyncio.sleep(later + _PAUSE)


def _submit(core: SimulatedServer, states: Any, gaps: list[float]) -> tuple[str, tuple[Turn, ...]]:
    steps = [f"{state} {gap:.3f}" for state, gap in zip(states, gaps, strict=False)]
    body = {"executors": _EXECUTORS, "tags": {"tes-sim": ", ".join([*steps, states[-1]])}}
    path = f"{core.profile.prefixes[0]}/tasks"
    reply = core.answer("POST", path, (), json.dumps(body).encode(), now=datetime.now(UTC))
    task = json.loads(reply.body)["id"]
    moves = next(one.moves for one in core.tasks() if one.id == task)
    return task, tuple(Turn(monotonic(move.at), str(move.state)) for move in moves)


class Servers:
    def __init__(self, profiles: Mapping[str, str], seed: int) -> None:
        self._cores = {
            name: SimulatedServer(PROFILES[profile], seeds.chance(seed, f"server {name}"))
            for name, profile in profiles.items()
        }
        self._fleets: dict[str, ServedFleet] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def serve(self, pipe: Connection) -> None:
        shells = {name: Shell(core) for name, core in self._cores.items()}
        ports = {name: await shell.start("127.0.0.1", 0) for name, shell in shells.items()}
        pipe.send({name: f"http://127.0.0.1:{port}" for name, port in ports.items()})
        await attend(pipe, lambda question: getattr(self, question[0])(*question[1:]))
        for task in self._sending.values():
            task.cancel()
        for shell in shells.values():
            await shell.stop()

    def begin(self, name: str, load: Load, mishaps: Mishaps, engine: Engine | None) -> None:
        fleet = ServedFleet(load, core=self._cores[name], mishaps=mishaps, engine=engine)
        self._fleets[name] = fleet
        self._sending[name] = asyncio.create_task(fleet.send())

    def of(self, name: str, question: str) -> Any:
        """Raises what its fleet has died of."""
        if self._sending[name].done():
            self._sending[name].result()
        return getattr(self._fleets[name], question)()

    def truths(self, name: str) -> list[Truth]:
        return self._fleets[name].truths

    def met(self, name: str) -> Counter[str]:
        return self._fleets[name].met

    def asked(self, name: str) -> list[Asked]:
        return [
            Asked(monotonic(one.at), _task_in(one.path) if one.operation == "GetTask" else None)
            for one in self._cores[name].journal.requests
            if one.operation in _READS
        ]


def _task_in(path: str) -> str:
    return path.rpartition("/")[2]


class TesServer(Sending):
    """One of them, seen from here."""

    def __init__(self, work: Work, name: str, url: str) -> None:
        self._work = work
        self.name = name
        self.url = url

    def begin(self, load: Load, mishaps: Mishaps, engine: Engine | None) -> None:
        """`engine` None: what is not called back is not known of."""
        self.load = load
        self._work.ask(("begin", self.name, load, mishaps, engine))

    def progress(self) -> Any:
        return self._work.ask(("of", self.name, "progress"))

    def history(self) -> Any:
        return self._work.ask(("of", self.name, "history"))

    def finish(self) -> None:
        self._work.ask(("of", self.name, "finish"))

    def truths(self) -> list[Truth]:
        truths: list[Truth] = self._work.ask(("truths", self.name))
        return truths

    def met(self) -> Counter[str]:
        met: Counter[str] = self._work.ask(("met", self.name))
        return met

    def asked(self) -> list[Asked]:
        asked: list[Asked] = self._work.ask(("asked", self.name))
        return asked


@contextmanager
def tes_serving(profiles: Mapping[str, str], seed: int) -> Iterator[dict[str, TesServer]]:
    """By name; `profiles` says whose habits each has."""
    with working(_run, profiles, seed) as work:
        urls = work.result()
        yield {name: TesServer(work, name, url) for name, url in urls.items()}


def _run(pipe: Connection, profiles: Mapping[str, str], seed: int) -> None:
    asyncio.run(Servers(profiles, seed).serve(pipe))
