"""Sends callbacks as TESK's sender does: in order for each task, without looking at the answer."""

import asyncio
from collections import defaultdict, deque
from datetime import UTC, datetime

import aiohttp

from callback_service.tes_sim.callback_plan import Callback
from callback_service.tes_sim.core import SimulatedServer

# Seconds between two looks at what is due.
_SOONEST, _LATEST = 0.001, 0.02
# Of a server that does not wait for its listeners.
_PATIENCE = 10.0


async def send_callbacks(core: SimulatedServer) -> None:
    """Until it is cancelled."""
    patience = aiohttp.ClientTimeout(total=None if core.profile.waits_for_listener else _PATIENCE)
    # No limit: a slow listener holds up its own tasks only.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
        sender = _Sender(core, session)
        try:
            while True:
                sender.take(core.callbacks_due(_now()))
                await asyncio.sleep(_until(core.next_callback_at))
        finally:
            sender.lose_all()


class _Sender:
    """A queue for each task that has callbacks under way."""

    def __init__(self, core: SimulatedServer, session: aiohttp.ClientSession) -> None:
        self._core = core
        self._session = session
        self._queues: defaultdict[str, deque[Callback]] = defaultdict(deque)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._restarts = core.restarts

    def take(self, callbacks: list[Callback]) -> None:
        if self._restarts != self._core.restarts:
            self._restarts = self._core.restarts
            self.lose_all()
        for callback in callbacks:
            task_id = callback.task_id
            self._queues[task_id].append(callback)
            if task_id not in self._under_way:
                self._under_way[task_id] = asyncio.create_task(self._drain(task_id))

    def lose_all(self) -> None:
        for sending in self._under_way.values():
            sending.cancel()
        self._under_way.clear()
        self._queues.clear()

    async def _drain(self, task_id: str) -> None:
        queue = self._queues[task_id]
        while queue:
            await self._send(queue.popleft())
        del self._queues[task_id], self._under_way[task_id]

    async def _send(self, callback: Callback) -> None:
        if not self._core.profile.waits_for_listener:
            await self._post(callback)
            return
        self._core.block(callback.task_id, _now())
        try:
            await self._post(callback)
        finally:
            self._core.go_on(callback.task_id, _now())

    async def _post(self, callback: Callback) -> None:
        body = {"id": callback.task_id, "state": callback.state.value}
        try:
            async with self._session.post(callback.url, json=body, allow_redirects=False) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            """Nobody there, or no URL: it makes no difference to the server."""


def _until(at: datetime | None) -> float:
    seconds = (at - _now()).total_seconds() if at else _LATEST
    return min(max(seconds, _SOONEST), _LATEST)


def _now() -> datetime:
    return datetime.now(UTC)
