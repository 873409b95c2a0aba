"""The demonstration itself: two runs, their receivers, and a TES server that calls back."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import cycle

from callback_service.embedded.ports import url_of
from callback_service.entrypoints.cli.demo.tally import Inbox, Outcome, Sent
from callback_service.entrypoints.cli.demo.tes_server import (
    UPDATES_PER_TASK,
    SimulatedTask,
    SimulatedTesServer,
)
from callback_service.entrypoints.cli.failures import CommandFailed
from callback_service.entrypoints.cli.receiver import Delivery, Receiver, Signature
from callback_service.entrypoints.cli.service_client import Json, Refused, ServiceClient, path_of

_FRAME = 0.125
_GLANCE = 0.02
# Whatever becomes of this process, the runs do not stay.
_EXPIRES_IN = 3600


@dataclass(frozen=True, slots=True)
class Plan:
    """`address`: under which the service reaches the receivers; `deadline` in seconds."""

    tasks: int
    address: str
    deadline: float

    @property
    def updates(self) -> int:
        return UPDATES_PER_TASK * self.tasks


class Follower:
    """A run with the receiver that its updates go to."""

    def __init__(self, name: str) -> None:
        self.inbox = Inbox(name)
        self.callback_url = ""
        self._receiver = Receiver(self._take)

    def _take(self, delivery: Delivery) -> None:
        now = time.perf_counter()
        if delivery.signature is not Signature.VERIFIED:
            self.inbox.unverified += 1
        for update in delivery.updates:
            self.inbox.take(update, now)

    @asynccontextmanager
    async def following(
        self, service: ServiceClient, address: str, task_ids: list[str]
    ) -> AsyncIterator[None]:
        port = await self._receiver.start(address, 0)
        try:
            wish = {
                "name": f"demo, {self.inbox.name}",
                "sink": {"type": "http", "url": f"{url_of(address, port)}/"},
                "expires_in": _EXPIRES_IN,
            }
            tasks = [{"id": one} for one in task_ids]
            run = await asyncio.to_thread(_register, service, wish, tasks)
            self.callback_url = run["callback_url"]
            self._receiver.trust(run["secret"])
            yield
            # It expires by itself where it cannot be deleted now.
            with contextlib.suppress(CommandFailed):
                await asyncio.to_thread(service.delete, path_of("runs", run["id"]))
        finally:
            await self._receiver.stop()


def _register(service: ServiceClient, wish: Json, tasks: list[Json]) -> Json:
    try:
        return service.register_run(wish, tasks)
    except Refused as error:
        # A service that may not post to this machine, most likely.
        raise CommandFailed(
            f"{error} A service that does without it is started by --own.", error.code
        ) from error


class Performance:
    def __init__(self, service: ServiceClient, plan: Plan) -> None:
        self.plan = plan
        self.sent = Sent()
        self.followers = (Follower("run one"), Follower("run two"))
        self._service = service

    async def play(self, draw: Callable[["Performance"], None]) -> Outcome:
        """From the first registration to the last update, or to the deadline."""
        # Ids of their own: tasks of an earlier demonstration have ended for good.
        series = secrets.token_hex(3)
        task_ids = [f"demo-{series}-{number:04d}" for number in range(1, self.plan.tasks + 1)]
        async with AsyncExitStack() as stack:
            for follower in self.followers:
                following = follower.following(self._service, self.plan.address, task_ids)
                await stack.enter_async_context(following)
            began = time.perf_counter()
            drawing = asyncio.create_task(self._keep_drawing(draw))
            # What is missing at the deadline is lost.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.plan.deadline):
                    await SimulatedTesServer(self.sent).run(self._tasks(task_ids))
                    await self._until_everybody_was_told()
            drawing.cancel()
            draw(self)
            inboxes = tuple(follower.inbox for follower in self.followers)
            return Outcome(self.plan.updates, self.sent, inboxes, time.perf_counter() - began)

    def _tasks(self, task_ids: list[str]) -> list[SimulatedTask]:
        """Each calls back on the URL of one run; the other run learns of it because it follows."""
        turns = cycle(self.followers)
        return [SimulatedTask(one, next(turns).callback_url) for one in task_ids]

    async def _until_everybody_was_told(self) -> None:
        inboxes = [follower.inbox for follower in self.followers]
        # A glance now and then costs less than an event at each arrival.
        while any(  # noqa: ASYNC110
            inbox.count < self.sent.count or inbox.lost(self.sent) for inbox in inboxes
        ):
            await asyncio.sleep(_GLANCE)

    async def _keep_drawing(self, draw: Callable[["Performance"], None]) -> None:
        while True:
            draw(self)
            await asyncio.sleep(_FRAME)
