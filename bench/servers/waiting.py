"""A hundred sleeping tasks and py-tes' own `wait()`: asking the server itself, or the gateway."""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.plan import Plan
from bench.processes import Receiving, receiving
from bench.servers.convergence import spread
from bench.servers.py_tes import python_with_py_tes
from bench.servers.simulated import Simulated, simulated
from bench.service import Service, running_service

SERVER = "simulated"
_PROGRAM = Path(__file__).parent / "programs" / "wait_with_py_tes.py"
_SECONDS = 20.0
_PATIENCE = 10.0


def directly(tasks: int) -> dict[str, Any]:
    with simulated("funnel") as server:
        returned = _wait(server.url, tasks)
        return _result("py-tes asks the server", server, returned, {})


def through_gateway(tasks: int, profile: str, calls_back: str) -> dict[str, Any]:
    with (
        running_service(Plan(), None) as service,
        receiving() as receiver,
        simulated(profile) as server,
    ):
        registered = service.client.post(
            "/v1/servers",
            {"name": SERVER, "url": server.url, "calls_back": calls_back},
        )
        run = _register(service, receiver)
        returned = _wait(registered["gateway_url"], tasks, run, service.client.token or "")
        told = _told(receiver, tasks)
        return _result(f"the gateway, calls back: {calls_back}", server, returned, told)


def _register(service: Service, receiver: Receiving) -> str:
    sink = {"type": "http", "url": receiver.url, "format": "batch"}
    answer = service.client.post("/v1/runs", {"name": "bench", "sink": sink})
    return str(answer["id"])


def _wait(url: str, tasks: int, run: str = "", token: str = "") -> list[dict[str, Any]]:
    line = [str(python_with_py_tes()), str(_PROGRAM), url, str(tasks), str(_SECONDS), run]
    environ = {**os.environ, "TES_TOKEN": token}
    done = subprocess.run(
        line, capture_output=True, text=True, check=True, timeout=300, env=environ
    )
    returned: list[dict[str, Any]] = json.loads(done.stdout)
    return returned


def _told(receiver: Receiving, tasks: int) -> dict[str, float]:
    """When a run was told of each end."""
    offset = time.time() - time.monotonic()
    deadline = time.monotonic() + _PATIENCE
    told: dict[str, float] = {}
    while len(told) < tasks and time.monotonic() < deadline:
        time.sleep(0.2)
        for (task, state), at in receiver.arrived():
            if state == "COMPLETE":
                told.setdefault(task, at + offset)
    return told


def _result(
    name: str,
    server: Simulated,
    returned: list[dict[str, Any]],
    told: Mapping[str, float],
) -> dict[str, Any]:
    ends = server.ends()
    counts = server.counts()
    return {
        "who": name,
        "tasks": len(returned),
        "lists": counts.get("ListTasks", 0),
        "reads": counts.get("GetTask", 0),
        "wait_returned_after_s": spread([one["at"] - ends[one["id"]][1] for one in returned]),
        "run_told_after_s": spread([at - ends[task][1] for task, at in told.items()]),
    }
