import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from callback_service.domain.errors import Unavailable
from callback_service.relay.dispatch import Dispatcher

# Longer than any test here takes that does not hang.
LONG = 30.0


class Deliveries:
    """Notes who is told; each delivery is held up until it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.most_at_once = 0
        self.failures: dict[str, Exception] = {}
        self._under_way: Counter[str] = Counter()
        self._gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))

    async def deliver(self, run_id: str) -> None:
        self.begun.append(run_id)
        self._under_way[run_id] += 1
        assert self._under_way[run_id] == 1, "told by two at once"
        self.most_at_once = max(self.most_at_once, self._under_way.total())
        try:
            await self._gates[run_id].acquire()
            if error := self.failures.pop(run_id, None):
                raise error
            self.ended.append(run_id)
        finally:
            self._under_way[run_id] -= 1

    def let_go(self, *run_ids: str) -> None:
        for run_id in run_ids:
            self._gates[run_id].release()


Story = Callable[[Dispatcher, Deliveries], Awaitable[None]]


def tell(story: Story) -> None:
    async def told() -> None:
        deliveries = Deliveries()
        dispatcher = Dispatcher(deliveries.deliver, asyncio.get_running_loop())
        await story(dispatcher, deliveries)

    asyncio.run(_in_time(told()))


async def _in_time(story: Coroutine[Any, Any, None]) -> None:
    await asyncio.wait_for(story, LONG)


async def until(condition: Callable[[], bool]) -> None:
    """Something that happens on this very loop, which cannot say when."""
    while not condition():  # noqa: ASYNC110  there is nothing to wait for but the loop itself
        await asyncio.sleep(0)


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_many_runs_are_told_side_by_side():
    async def story(dispatcher, deliveries):
        dispatcher.ring(["r1", "r2", "r3"])
        await until(lambda: len(deliveries.begun) == 3)
        deliveries.let_go("r3", "r1", "r2")
        await until(lambda: len(deliveries.ended) == 3)

    tell(story)


def test_one_slow_receiver_holds_up_nobody_else():
    async def story(dispatcher, deliveries):
        dispatcher.ring(["slow"])
        for number in range(30):
            dispatcher.ring([f"r{number}"])
            deliveries.let_go(f"r{number}")
        await until(lambda: len(deliveries.ended) == 30)
        assert "slow" not in deliveries.ended
        deliveries.let_go("slow")
        await until(lambda: len(deliveries.ended) == 31)

    tell(story)


def test_a_run_that_is_rung_while_it_is_told_is_looked_at_once_more():
    async def story(dispatcher, deliveries):
        dispatcher.ring(["r1"])
        await until(lambda: deliveries.begun == ["r1"])
        for _ in range(5):
            dispatcher.ring(["r1"])
        deliveries.let_go("r1", "r1", "r1")
        await until(lambda: len(deliveries.ended) == 2)
        await settle()
        assert deliveries.begun == ["r1", "r1"]

    tell(story)


def test_a_run_that_is_rung_often_while_it_waits_is_told_once():
    async def story(dispatcher, deliveries):
        dispatcher.ring(["slow"])
        await settle()
        dispatcher.ring(["r1", "r1"])
        dispatcher.ring(["r1"])
        deliveries.let_go("slow", "r1", "r1", "r1")
        await until(lambda: "r1" in deliveries.ended)
        await settle()
        assert deliveries.ended.count("r1") <= 2

    tell(story)


def test_a_run_that_was_told_can_be_rung_again():
    async def story(dispatcher, deliveries):
        for turn in range(1, 4):
            dispatcher.ring(["r1"])
            deliveries.let_go("r1")
            await until(lambda turn=turn: len(deliveries.ended) == turn)

    tell(story)


def test_rings_come_from_any_thread():
    async def story(dispatcher, deliveries):
        deliveries.let_go("r1", "r2")
        for run_id in ("r1", "r2"):
            threading.Thread(target=dispatcher.ring, args=([run_id],)).start()
        await until(lambda: sorted(deliveries.ended) == ["r1", "r2"])

    tell(story)


@pytest.mark.parametrize(
    ("error", "said"), [(Unavailable("down"), "postponed"), (KeyError("x"), "failed")]
)
def test_a_delivery_that_fails_is_said_to_and_the_next_ring_tries_again(caplog, error, said):
    """What is owed stands in the store: the sweeper rings for it."""

    async def story(dispatcher, deliveries):
        deliveries.failures["r1"] = error
        deliveries.let_go("r1", "r1")
        dispatcher.ring(["r1"])
        await until(lambda: deliveries.begun == ["r1"])
        await settle()
        dispatcher.ring(["r1"])
        await until(lambda: deliveries.ended == ["r1"])

    tell(story)
    assert f"delivery.{said}" in caplog.messages


def test_a_stopping_one_lets_what_is_under_way_end_and_takes_no_more():
    async def story(dispatcher, deliveries):
        dispatcher.ring(["r1"])
        await until(lambda: deliveries.begun == ["r1"])
        stopping = asyncio.create_task(dispatcher.stop(LONG))
        await settle()
        dispatcher.ring(["r1", "r2"])
        await settle()
        deliveries.let_go("r1")
        await stopping
        assert deliveries.begun == deliveries.ended == ["r1"]

    tell(story)


def test_a_stopping_one_does_not_wait_for_ever():
    async def story(dispatcher, deliveries):
        dispatcher.ring(["r1", "r2"])
        await until(lambda: len(deliveries.begun) == 2)
        await dispatcher.stop(0.01)
        await settle()
        assert deliveries.ended == []

    tell(story)


def test_one_that_tells_nobody_stops_at_once():
    async def story(dispatcher, deliveries):
        await dispatcher.stop(LONG)

    tell(story)
