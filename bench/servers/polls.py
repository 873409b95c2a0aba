"""What it costs to ask a server that remembers 10,000 tasks, of which 100 are open."""

import time
from typing import Any

from bench.plan import Plan
from bench.servers.simulated import Simulated, simulated
from bench.service import Service, running_service

SERVER = "simulated"
_FINISHED, _OPEN = 9_900, 100
_SETTLING = 10.0


def poll(profile: str, seconds: float) -> dict[str, Any]:
    with running_service(Plan(), None) as service, simulated(profile) as server:
        executors = [{"image": "alpine", "command": ["sleep", "600"]}]
        sleeping = server.submit([{"executors": executors}] * (_OPEN // 2))
        server.submit(
            [{"executors": [{"image": "alpine", "command": ["sleep", "0.01"]}]}] * _FINISHED
        )
        sleeping += server.submit([{"executors": executors}] * (_OPEN // 2))
        service.client.post(
            "/v1/servers", {"name": SERVER, "url": server.url, "access": "open", "default": True}
        )
        tasks = [{"id": one} for one in sleeping]
        service.client.post("/v1/runs", {"name": "bench", "tasks": tasks})
        time.sleep(_SETTLING)
        return {"profile": profile, **_measured(service, server, seconds)}


def _measured(service: Service, server: Simulated, seconds: float) -> dict[str, Any]:
    server.forget_requests()
    before = service.usage()
    time.sleep(seconds)
    counts, after = server.counts(), service.usage()
    polling = service.client.get(f"/v1/servers/{SERVER}")["polling"]
    return {
        "seconds": seconds,
        "requests": counts,
        "cpu_ms_per_second": {
            name: round(1000 * (after[name].cpu - before[name].cpu) / seconds, 1) for name in after
        },
        "polling": polling,
    }
