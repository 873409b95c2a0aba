"""A simulated TES server: tasks that do nothing but change their states and call back."""

import asyncio
import random
import time
from dataclasses import dataclass

import aiohttp

from callback_service.domain.states import State
from callback_service.entrypoints.cli.demo.tally import Sent
from callback_service.entrypoints.cli.failures import CommandFailed

# What TESK tells of a task, before how it ended.
_ON_THE_WAY = (State.INITIALIZING, State.QUEUED, State.RUNNING)
UPDATES_PER_TASK = len(_ON_THE_WAY) + 1
_FAILING_SHARE = 0.1
# Callbacks in a second, about: what a small machine takes while it delivers each of them twice.
_PACE = 150
_LONGEST_PAUSE = 0.8
_PATIENCE = aiohttp.ClientTimeout(total=10)
_CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class SimulatedTask:
    id: str
    callback_url: str


class SimulatedTesServer:
    def __init__(self, sent: Sent) -> None:
        self._sent = sent
        self._chance = random.SystemRandom()

    async def run(self, tasks: list[SimulatedTask]) -> None:
        """Until all tasks have ended and every callback was acknowledged."""
        spread = UPDATES_PER_TASK * len(tasks) / _PACE
        # No proxy reaches a service on this machine, so none is asked.
        connections = aiohttp.TCPConnector(limit=_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connections, timeout=_PATIENCE) as session:
            await asyncio.gather(*(self._run_task(session, task, spread) for task in tasks))

    async def _run_task(
        self, session: aiohttp.ClientSession, task: SimulatedTask, spread: float
    ) -> None:
        await asyncio.sleep(self._chance.uniform(0, spread))
        failing = self._chance.random() < _FAILING_SHARE
        for state in (*_ON_THE_WAY, State.EXECUTOR_ERROR if failing else State.COMPLETE):
            await asyncio.sleep(self._chance.uniform(0.05, _LONGEST_PAUSE))
            await self._call_back(session, task, state)

    async def _call_back(
        self, session: aiohttp.ClientSession, task: SimulatedTask, state: State
    ) -> None:
        pause = 0.2
        while not await _is_acknowledged(session, task, state):
            self._sent.again += 1
            await asyncio.sleep(pause)
            pause = min(2.0, 2 * pause)
        self._sent.acknowledge(task.id, state, time.perf_counter())


async def _is_acknowledged(
    session: aiohttp.ClientSession, task: SimulatedTask, state: State
) -> bool:
    callback = {"id": task.id, "state": state.value}
    try:
        async with session.post(task.callback_url, json=callback) as answer:
            if 400 <= answer.status < 500 and answer.status not in {408, 429}:
                raise CommandFailed(f"The service refused a callback: it answered {answer.status}.")
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False
