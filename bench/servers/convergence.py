"""Callbacks get lost on the way: whether every run learns the truth, how soon, at what price."""

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

from bench.percentiles import percentile
from bench.plan import Plan
from bench.processes import Receiving, receiving
from bench.servers.simulated import Simulated, simulated
from bench.service import Service, running_service

SERVER = "simulated"
# How often engines ask for each of their tasks, in seconds.
POLL_EVERY = 1.5
_SHORTEST, _LONGEST = 8.0, 24.0
_CHUNK = 500
_PATIENCE = 120.0


def converge(tasks: int, dropped: float) -> dict[str, Any]:
    with (
        running_service(Plan(), None) as service,
        receiving() as receiver,
        simulated("pr176") as server,
    ):
        server.fail(drop_callbacks=dropped)
        service.client.post(
            "/v1/servers", {"name": SERVER, "url": server.url, "access": "open", "default": True}
        )
        sink = {"type": "http", "url": receiver.url, "format": "batch"}
        run = service.client.post("/v1/runs", {"name": "bench", "sink": sink})
        began = time.time()
        ids = server.submit(_tasks(tasks, run["callback_url"]))
        for chunk in _chunks(ids):
            wanted = {"tasks": [{"id": task_id} for task_id in chunk]}
            service.client.post(f"/v1/runs/{run['id']}/tasks", wanted)
        truth = _wait_for_ends(server, tasks)
        told = _told_at(receiver, truth)
        return {
            "dropped": dropped,
            "tasks": tasks,
            "converged": _beliefs(service, ids)
            == {key: state for key, (state, _) in truth.items()},
            "untold": tasks - len(told),
            "seconds_to_notice": spread([told[key] - truth[key][1] for key in told]),
            "requests": _asked(server),
            "requests_of_pollers": sum(
                int((ended - began) / POLL_EVERY) + 1 for _, ended in truth.values()
            ),
        }


def _tasks(number: int, callback_url: str) -> Iterator[Mapping[str, Any]]:
    chance = random.Random(0)
    for index in range(number):
        seconds = chance.uniform(_SHORTEST, _LONGEST)
        end = chance.choice(("COMPLETE", "COMPLETE", "EXECUTOR_ERROR"))
        yield {
            "name": f"bench-{index}",
            "executors": [{"image": "alpine", "command": ["true"]}],
            "tags": {"tes-sim": f"QUEUED 0.5, INITIALIZING 0.5, RUNNING {seconds:.2f}, {end}"},
            "callback_url": callback_url,
        }


def _wait_for_ends(server: Simulated, number: int) -> dict[str, tuple[str, float]]:
    deadline = time.monotonic() + _PATIENCE
    while len(truth := server.ends()) < number and time.monotonic() < deadline:
        time.sleep(0.5)
    return truth


def _told_at(receiver: Receiving, truth: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    """When the receiver was first told of each task's true end; it is given time for that."""
    offset = time.time() - time.monotonic()
    deadline = time.monotonic() + _PATIENCE
    while True:
        told: dict[str, float] = {}
        for (task, state), at in receiver.arrived():
            if task in truth and truth[task][0] == state:
                told.setdefault(task, at + offset)
        if len(told) == len(truth) or time.monotonic() > deadline:
            return told
        time.sleep(0.5)


def _beliefs(service: Service, ids: list[str]) -> dict[str, str]:
    states: dict[str, str] = {}
    for chunk in _chunks(ids):
        wanted = {"tasks": [{"server": SERVER, "id": task_id} for task_id in chunk]}
        for one in service.client.post("/v1/tasks:states", wanted)["states"]:
            states[one["id"]] = one["state"]
    return states


def _asked(server: Simulated) -> int:
    """Reads; the tasks themselves were handed in by us."""
    return sum(number for name, number in server.counts().items() if name != "CreateTask")


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(ids), _CHUNK):
        yield ids[begin : begin + _CHUNK]


def spread(values: list[float]) -> dict[str, float | None]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 3)

    return {
        "mean": rounded(sum(values) / len(values)) if values else None,
        "p50": rounded(percentile(values, 0.5)),
        "p99": rounded(percentile(values, 0.99)),
        "max": rounded(max(values, default=None)),
    }
