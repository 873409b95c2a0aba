"""`callback-service up` as the system that a world is about."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pymongo import MongoClient

from tests.e2e.system import Client
from tests.e2e.up import Up
from tests.faults.receivers import receiving
from tests.faults.scenario import Stage
from tests.faults.world import World, command_of, register


class UpSystem:
    """One process that starts all the others; it is API, database and workers at once."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self.apis = [up]
        self.processes = [up]

    @property
    def client(self) -> Client:
        return self.up.client

    @property
    def database(self) -> "_Database":
        return _Database(self.up.database_uri)

    def revive(self) -> None:
        if not self.up.is_alive:
            self.up.start_and_wait()


class _Database:
    def __init__(self, uri: str) -> None:
        self._uri = uri

    def client(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(self._uri, tz_aware=True)


@contextmanager
def running_up(stage: Stage, runs: int = 5) -> Iterator[World]:
    up = Up(stage.folder, command_of(stage))
    with receiving(stage.seed) as receivers:
        try:
            up.start_and_wait()
            yield World(stage, UpSystem(up), receivers, register(up.client, receivers, runs))
        finally:
            up.end()
            end_what_is_left(up)


def end_what_is_left(up: Up) -> None:
    for pid in up.left():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
