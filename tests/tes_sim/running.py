"""A simulated TES server for tests: on a socket, in a thread of the test's own process."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callback_service.domain.states import State
from callback_service.tes_sim.conditions import Conditions
from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.credentials import Credentials
from callback_service.tes_sim.faults import Faults
from callback_service.tes_sim.profiles import PROFILES
from callback_service.tes_sim.script import DEFAULT, Script
from callback_service.tes_sim.shell import Shell

TES = "/ga4gh/tes/v1"


@dataclass(frozen=True)
class RunningServer:
    """`url` is its base (append `/ga4gh/tes/v1`, or not); `core` is what is behind it."""

    url: str
    core: SimulatedServer

    def fail(self, **faults: Any) -> None:
        """From now on with these faults; with none of them, well again."""
        self.core.set_faults(Faults.read(faults), datetime.now(UTC))

    def restart(self, down: float = 0.0, *, forget: bool = False) -> None:
        self.core.restart(datetime.now(UTC), down, forget=forget)

    def states(self) -> dict[str, State]:
        """The truth."""
        now = datetime.now(UTC)
        return {task.id: task.state(now) for task in self.core.tasks()}

    @property
    def counts(self) -> dict[str, int]:
        """Requests by operation, such as `ListTasks`."""
        return self.core.journal.counts


def new_core(
    profile: str = "funnel",
    *,
    script: str | None = None,
    speed: float = 1.0,
    basic: str | None = None,
    token: str | None = None,
    callbacks: bool = False,
    executes: bool = False,
    seed: int = 0,
) -> SimulatedServer:
    chosen = PROFILES[profile]
    conditions = Conditions(
        Script.parse(script) if script else DEFAULT, speed, Credentials(basic, token), executes
    )
    return SimulatedServer(
        replace(chosen, calls_back=True) if callbacks else chosen, random.Random(seed), conditions
    )


@contextmanager
def running_server(
    profile: str = "funnel",
    *,
    finished: int = 0,
    still_open: int = 0,
    port: int = 0,
    faults: Faults | None = None,
    execute: Path | None = None,
    **options: Any,
) -> Iterator[RunningServer]:
    """Tasks are executed in the folder `execute`. `options` are those of `new_core`."""
    core = new_core(profile, executes=execute is not None, **options)
    core.make(finished, still_open, datetime.now(UTC))
    core.set_faults(faults or Faults(), datetime.now(UTC))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    shell = Shell(core, folder=execute)
    try:
        bound = asyncio.run_coroutine_threadsafe(shell.start("127.0.0.1", port), loop).result(10)
        yield RunningServer(f"http://127.0.0.1:{bound}", core)
    finally:
        asyncio.run_coroutine_threadsafe(shell.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
