"""Runs whose receivers answer by a script, on a clock that nothing but the script moves.

The relay and the sender are the real ones and so is the HTTP between them; the stores are fakes.
When an attempt is due is worked out here, from what is promised, and not asked of the service.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aiohttp import web
from standardwebhooks import Webhook

from callback_service.adapters.http_sink import HttpSender
from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.run import RunStatus
from callback_service.domain.sink import HttpSink
from callback_service.domain.states import State
from tests.faults.scripts import JITTER, LONGEST, SCHEDULE, TAKEN, Script, Word
from tests.relay.small_service import SmallService

# The clock goes in milliseconds, and so does the database.
_EXACT = timedelta(milliseconds=2)


class Heard(NamedTuple):
    """A request, and when it came by that clock."""

    path: str
    at: datetime
    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """A real one; it answers `word` as long as that is so."""

    url: str = ""
    word: Word = TAKEN
    service: SmallService = field(default_factory=SmallService)
    heard: list[Heard] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        now, body = self.service.clock.now(), await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append(Heard(request.path, now, headers, body))
        said = {"Location": f"{self.url}elsewhere"} if 300 <= self.word.status < 400 else {}
        if wait := self.word.header(now):
            said["Retry-After"] = wait
        return web.Response(status=self.word.status, headers=said)


@dataclass
class Outcome:
    """Updates: told, dead letters, or withheld from who is gone; `attempts` to tell them."""

    updates: int = 0
    told: int = 0
    buried: int = 0
    withheld: int = 0
    attempts: int = 0
    unsigned: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.updates - self.told - self.buried - self.withheld


class Play:
    """One script."""

    def __init__(
        self,
        script: Script,
        receiver: Receiver,
        sender: HttpSender,
        chance: random.Random,
        outcome: Outcome,
    ) -> None:
        self._script, self._receiver, self._outcome = script, receiver, outcome
        self._service = receiver.service = SmallService()
        self._chance, self._drawn = chance, 0.0
        self._deliverer = self._service.deliverer()
        self._deliverer.sender = sender
        self._deliverer.chance = self._draw
        self._run, keys = self._service.register()
        self._keys = keys
        self._signer = Webhook(keys.secret)
        self._service.runs.change(self._run, {"sink": HttpSink(receiver.url)})

    def _draw(self) -> float:
        self._drawn = self._chance.random()
        return self._drawn

    async def play(self) -> None:
        first = len(self._receiver.heard)
        self._bring_news(State.QUEUED)
        if await self._play_words():
            await self._end()
        self._check(self._receiver.heard[first:])

    async def _play_words(self) -> bool:
        for number, word in enumerate(self._script.words, 1):
            self._receiver.word = word
            if await self._ring() != 1:
                return self._fail(f"attempt {number} was not made when it was due")
            if number < len(self._script.words) and not await self._wait(number, word):
                return False
        return True

    async def _wait(self, number: int, word: Word) -> bool:
        now = self._service.clock.now()
        spread = 1 - JITTER + 2 * JITTER * self._drawn
        planned = timedelta(seconds=SCHEDULE[number] * spread)
        due = now + max(planned, word.wished(now))
        self._go_to(due - _EXACT)
        if self._sweep() or await self._ring():
            return self._fail(f"attempt {number + 1} was made before it was due")
        self._go_to(due + _EXACT)
        if not self._sweep():
            return self._fail(f"nobody saw that attempt {number + 1} was due")
        return True

    async def _end(self) -> None:
        """A day later nothing more of it was sent; what is new goes on, unless it is refused."""
        ending = self._script.ending
        self._receiver.word = TAKEN
        self._go_to(self._service.clock.now() + timedelta(seconds=1.5 * LONGEST))
        if self._sweep() or await self._ring():
            self._fail("what had ended was sent again")
        self._bring_news(State.RUNNING)
        sent = await self._ring()
        if sent != (ending.status != 410):
            self._fail(f"of what was new afterwards {sent} deliveries were made")

    def _check(self, heard: Sequence[Heard]) -> None:
        outcome, is_gone = self._outcome, self._script.ending.status == 410
        outcome.attempts += len(heard)
        outcome.unsigned += sum(not self._is_signed(one) for one in heard)
        buried, task = len(self._service.buried(self._run)), self._service.task("task")
        settled = task.delivered.get(self._run, 0)
        outcome.buried += buried
        outcome.told += settled - buried
        if is_gone and self._service.run(self._run).status is RunStatus.GONE:
            outcome.withheld += task.seq - settled
        is_given_up = not is_gone and self._script.ending.status >= 300
        if buried != is_given_up:
            self._fail(f"{buried} updates went to the dead letters")
        if any(one.path.endswith("elsewhere") for one in heard):
            self._fail("a redirect was followed")
        ids = {one.headers["webhook-id"] for one in heard[: len(self._script.words)]}
        if len(ids) != 1:
            self._fail(f"one update came under {len(ids)} ids")

    def _is_signed(self, one: Heard) -> bool:
        at = int(one.headers["webhook-timestamp"])
        then = datetime.fromtimestamp(at, UTC)
        signature = self._signer.sign(one.headers["webhook-id"], then, one.body)
        return at == int(one.at.timestamp()) and signature in one.headers["webhook-signature"]

    def _bring_news(self, state: State) -> None:
        self._service.call_back(self._keys, "task", state)
        self._outcome.updates += 1

    async def _ring(self) -> int:
        """How many deliveries were made of it."""
        before = len(self._receiver.heard)
        await self._deliverer.deliver(self._run)
        return len(self._receiver.heard) - before

    def _sweep(self) -> bool:
        """Whether it was found to be due."""
        self._service.doorbell.answer()
        self._service.sweeper.sweep()
        return self._run in self._service.doorbell.answer()

    def _go_to(self, at: datetime) -> None:
        clock = self._service.clock
        clock.advance((at - clock.now()).total_seconds())

    def _fail(self, wrong: str) -> bool:
        self._outcome.wrong.append(f"{self._script.name}: {wrong}")
        return False


async def play_all(scripts: Sequence[Script], chance: random.Random) -> Outcome:
    outcome = Outcome()
    async with _receiver() as receiver, _sender() as sender:
        for script in scripts:
            await Play(script, receiver, sender, chance, outcome).play()
    return outcome


@asynccontextmanager
async def _receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _sender() -> AsyncIterator[HttpSender]:
    sender = HttpSender(AddressPolicy(("127.0.0.0/8",)))
    await sender.open()
    try:
        yield sender
    finally:
        await sender.close()
