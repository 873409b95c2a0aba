"""Kills processes of the system, by SIGKILL, and starts them again as a supervisor would."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.e2e.conditions import until
from tests.e2e.processes import Api, Process
from tests.faults.rabbitmq import OwnRabbitMq
from tests.faults.world import World


class Killer:
    """Deals kinds of victims from a shuffled deck, so that each has its turn soon."""

    def __init__(self, world: World, fates: random.Random) -> None:
        self.killed: Counter[str] = Counter()
        self._world = world
        self._fates = fates
        self._deck: list[str] = []

    def kill(self, times: int, seconds: float) -> None:
        """So many, spread over so many seconds, by and large evenly."""
        began = time.monotonic()
        for number in range(times):
            due = began + (number + self._fates.uniform(0.2, 0.8)) * seconds / times
            time.sleep(max(0.0, due - time.monotonic()))
            self.kill_one()

    def kill_one(self) -> None:
        system = self._world.system
        kinds: dict[str, Callable[[], object]] = {
            "database": lambda: replace(system.database),
            "API": lambda: replace(self._fates.choice(system.apis)),
            "part of an API": lambda: _strike_part(system.apis, self._fates),
            "worker": lambda: replace(self._fates.choice(system.workers)),
        }
        if isinstance(system.broker, OwnRabbitMq):
            kinds["RabbitMQ"] = system.broker.replace
        if not self._deck:
            self._deck = self._fates.sample(sorted(kinds), len(kinds))
        kind = self._deck.pop()
        self._world.befall()
        kinds[kind]()
        self.killed[kind] += 1

    def said(self) -> str:
        parts = ", ".join(f"{count} of {name}" for name, count in sorted(self.killed.items()))
        return f"{self.killed.total()} SIGKILLs ({parts})"


def replace(process: Process) -> None:
    process.end()
    process.start()


def _strike_part(apis: Sequence[Api], fates: random.Random) -> None:
    """One of gunicorn's own processes, which it replaces itself."""
    # An API that was just started has none for a moment.
    until(lambda: any(api.children for api in apis))
    with suppress(ProcessLookupError):
        os.kill(fates.choice([pid for api in apis for pid in api.children]), signal.SIGKILL)
