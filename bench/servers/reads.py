"""What a MINIMAL read at the gateway costs: each at its time, whatever becomes of those before."""

import asyncio
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import aiohttp

from bench.percentiles import milliseconds
from bench.plan import Plan
from bench.processes import working
from bench.servers.simulated import simulated
from bench.service import running_service

_TASKS = 100
_MOST_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Reads:
    urls: tuple[str, ...]
    rate: int
    seconds: float

    async def run(self) -> list[tuple[float, int]]:
        """Seconds from when each read was due to its answer, and the status."""
        begins = time.monotonic() + 0.2
        connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as session:
            reads = []
            for number in range(int(self.rate * self.seconds)):
                due = begins + number / self.rate
                await asyncio.sleep(due - time.monotonic())
                url = self.urls[number % len(self.urls)]
                reads.append(asyncio.create_task(_read(session, url, due)))
            return await asyncio.gather(*reads)


async def _read(session: aiohttp.ClientSession, url: str, due: float) -> tuple[float, int]:
    async with session.get(url) as answer:
        await answer.read()
        return time.monotonic() - due, answer.status


def run_reads(pipe: Connection, reads: Reads) -> None:
    pipe.send(asyncio.run(reads.run()))


def read_minimal(rate: int, seconds: float) -> dict[str, Any]:
    with running_service(Plan(), None) as service, simulated("funnel") as server:
        registered = service.client.post(
            "/v1/servers", {"name": "simulated", "url": server.url, "access": "open"}
        )
        base = registered["gateway_url"]
        executors = [{"image": "alpine", "command": ["sleep", "600"]}]
        ids = server.submit([{"executors": executors}] * _TASKS, base)
        urls = tuple(f"{base}/ga4gh/tes/v1/tasks/{one}?view=MINIMAL" for one in ids)
        # Until all of them are known to run, each read is about something new.
        _run(Reads(urls, 50, 5.0))
        server.forget_requests()
        before = service.usage()
        read = _run(Reads(urls, rate, seconds))
        after = service.usage()
        return {
            "rate": rate,
            "answered": sum(status == 200 for _, status in read),
            "asked": len(read),
            "answer_ms": milliseconds([took for took, _ in read]),
            "server_was_asked": server.counts(),
            "cpu_ms_per_read": {
                name: round(1000 * (after[name].cpu - before[name].cpu) / len(read), 2)
                for name in after
            },
        }


def _run(reads: Reads) -> list[tuple[float, int]]:
    with working(run_reads, reads) as work:
        answered: list[tuple[float, int]] = work.result()
        return answered
