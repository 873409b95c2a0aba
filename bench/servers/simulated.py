"""The scripted TES server, in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from callback_service.domain.states import FINAL
from callback_service.embedded import ports

_READY_WITHIN = 20.0
_AT_ONCE = 8
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Simulated:
    url: str

    def submit(self, tasks: Iterable[Mapping[str, Any]], base: str | None = None) -> list[str]:
        """The ids of the tasks, handed in here or at another base URL."""
        address = f"{base or self.url}/ga4gh/tes/v1/tasks"

        def create(task: Mapping[str, Any]) -> str:
            answer = requests.post(address, json=task, timeout=_PATIENCE)
            answer.raise_for_status()
            return str(answer.json()["id"])

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(create, tasks))

    def fail(self, **faults: Any) -> None:
        requests.post(f"{self.url}/_sim/faults", json=faults, timeout=_PATIENCE).raise_for_status()

    def forget_requests(self) -> None:
        requests.delete(f"{self.url}/_sim/requests", timeout=_PATIENCE).raise_for_status()

    def counts(self) -> dict[str, int]:
        """Requests by operation."""
        counts: dict[str, int] = self._look("requests")["counts"]
        return counts

    def ends(self) -> dict[str, tuple[str, float]]:
        """The final state of each task that has ended, and when that was, as `time.time()`."""
        last = {task["id"]: task["history"][-1] for task in self._look("tasks")["tasks"]}
        return {
            task_id: (move["state"], datetime.fromisoformat(move["at"]).timestamp())
            for task_id, move in last.items()
            if move["state"] in FINAL
        }

    def _look(self, what: str) -> Any:
        answer = requests.get(f"{self.url}/_sim/{what}", timeout=_PATIENCE)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def simulated(profile: str, *options: str) -> Iterator[Simulated]:
    port = ports.pick_free()
    line = [sys.executable, "-m", "callback_service", "tes-sim", "--port", str(port)]
    process = subprocess.Popen([*line, "--profile", profile, *options], stdout=subprocess.DEVNULL)
    try:
        server = Simulated(f"http://127.0.0.1:{port}")
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(server: Simulated, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while True:
        try:
            server.counts()
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("The simulated TES server did not start.")
            time.sleep(0.05)
        else:
            return
