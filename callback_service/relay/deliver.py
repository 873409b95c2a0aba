"""Telling a run what it is owed: under a lease, in order, in batches, each written down."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ParamSpec, TypeVar

from callback_service.domain.delivery import (
    Answer,
    Attempt,
    DeadLetter,
    Item,
    Span,
    Verdict,
    failure_id,
    items_of,
    items_within,
    spans_of,
    webhook_id,
)
from callback_service.domain.errors import Unavailable
from callback_service.domain.run import LEASE, Failing, Lease, Run
from callback_service.domain.sink import can_fail, is_quiet, place_of, takes_batches
from callback_service.domain.task import TaskKey
from callback_service.relay.lanes import Lanes
from callback_service.relay.ports import Clock, DeliveryLog, Ending, Runs, Sender, Tasks
from callback_service.relay.quiet import let_owe

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)

# Tasks in a batch. A format that takes a POST per update gets fewer, for what a
# dying worker had told of a batch, but not written down, is told again.
BATCH_TASKS = 500
SINGLE_TASKS = 50


@dataclass
class _Telling:
    """One batch on its way: what came of its items so far."""

    run: Run
    told: dict[TaskKey, int] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def settle(self, items: Sequence[Item]) -> None:
        for key, update, _ in items:
            self.told[key] = max(update.seq, self.told.get(key, 0))

    def rest(self, items: Sequence[Item]) -> list[Span]:
        return spans_of(item for item in items if item.update.seq > self.told.get(item.key, 0))

    @property
    def has_stopped(self) -> bool:
        return not self.run.is_active or self.run.next_attempt_at is not None


@dataclass
class Deliverer:
    """Delivers to one run at a time per call; many calls run side by side on one event loop.

    The stores block, so they are called on `executor`. `held` names the runs
    whose leases somebody must renew while their receivers take their time.
    """

    tasks: Tasks
    runs: Runs
    delivery_log: DeliveryLog
    sender: Sender
    clock: Clock
    chance: Callable[[], float]
    holder: str
    executor: Executor
    lanes: Lanes
    held: set[str] = field(default_factory=set)
    is_stopping: bool = False

    def stop(self) -> None:
        """Begin nothing more: a run whose news never ends would be cut off amid a delivery."""
        self.is_stopping = True

    async def deliver(self, run_id: str) -> None:
        """Tell the run everything it is owed and due; return when nothing is left to do now."""
        while not self.is_stopping and await self._is_to_look_again(run_id):
            pass

    async def _is_to_look_again(self, run_id: str) -> bool:
        """Tell the run a lease's worth, if it is free and owed anything.

        Whoever finds it taken knocks, and who took it looks again at the end: what
        the one was rung for may have come after the other's last look.
        """
        run = await self._call(self._find_waiting, run_id)
        if run is None:
            return False
        is_retry = run.failures > 0
        async with self.lanes.take(place_of(run.sink), is_retry=is_retry) as had_to_wait:
            if had_to_wait:
                run = await self._call(self._find_waiting, run_id)
            return run is not None and not self.is_stopping and await self._tell_if_free(run)

    async def _tell_if_free(self, run: Run) -> bool:
        if run.lease.is_held(self.clock.now()):
            return await self._is_free_again(run.id)
        # After a rewind everything is looked at anew: what was left open before may have moved.
        batch = [] if run.rewind else await self._call(self._next_batch, run)
        if not batch and not run.rewind and not run.failing:
            return False
        now = self.clock.now()
        lease = Lease(run.lease.generation + 1, self.holder, now + LEASE)
        if not await self._call(self.runs.claim, run, lease, spans_of(batch), now):
            return await self._is_free_again(run.id)
        ending = await self._under_lease(replace(run, lease=lease), batch)
        if ending is Ending.LOST:
            log.warning("lease.lost", extra={"fields": {"run": run.id}})
        # What comes after it waits for it: what is owed, or that the run was given up.
        has_more = run.rewind is not None or (bool(batch) and run.failing is not None)
        return ending is Ending.KNOCKED or (ending is Ending.QUIET and has_more)

    async def _is_free_again(self, run_id: str) -> bool:
        return not await self._call(self.runs.knock, run_id, self.clock.now())

    async def _under_lease(self, run: Run, batch: list[Item]) -> Ending:
        self.held.add(run.id)
        try:
            if run.rewind:
                await self._call(self._carry_out_rewind, run)
                return await self._call(self._close, run, [])
            if run.failing and not batch:
                return await self._fail(run, run.failing)
            while True:
                telling = await self._tell(run, batch)
                await self._call(self._write_down, telling)
                rest = telling.rest(batch)
                # A short batch was all there was, unless it was one that had been left open.
                is_last = len(batch) < self._limit(run) and not run.batch
                run = replace(telling.run, batch=())
                if rest or telling.has_stopped or is_last or self.is_stopping:
                    return await self._call(self._close, run, rest)
                batch = await self._call(self._following_batch, run)
                if not batch:
                    return await self._call(self._close, run, [])
                if not await self._call(
                    self.runs.keep, run.id, run.lease.generation, spans_of(batch)
                ):
                    return Ending.LOST
        finally:
            self.held.discard(run.id)

    async def _fail(self, run: Run, failing: Failing) -> Ending:
        """All that it was owed is told; now, that it has failed."""
        reason = await self._call(self._why_not_to_fail, run, failing)
        if reason:
            after = replace(run, last_error=f"not marked SYSTEM_ERROR: {reason}")
        else:
            after = await self._tell_failure(run, failing)
        ending = await self._call(self._close, after, [])
        # Struck last: who dies before this is followed by one who marks it again.
        if ending is not Ending.LOST and after.next_attempt_at is None:
            await self._call(self.runs.failed, run.id, run.lease.generation, failing)
        return ending

    async def _tell_failure(self, run: Run, failing: Failing) -> Run:
        at, message_id = self.clock.now(), failure_id(run.id, failing.at)
        answer = await self.sender.fail(run, run.sink, message_id, failing, at)
        attempt = Attempt(run.id, message_id, at, run.failures + 1, 0, answer.verdict, answer)
        await self._call(self._write_down, _Telling(run, attempts=[attempt]))
        if answer.verdict is Verdict.TOLD:
            fields = {"run": run.id, "by": failing.by, "reason": failing.reason}
            log.warning("run.marked", extra={"fields": fields})
        return run.after_failing(failing, answer, self.clock.now(), self.chance())

    async def _tell(self, run: Run, batch: Sequence[Item]) -> _Telling:
        telling = _Telling(run)
        for part in _parts(run, batch):
            await self._tell_part(telling, part)
            if telling.has_stopped or self.is_stopping:
                break
        return telling

    async def _tell_part(self, telling: _Telling, part: Sequence[Item]) -> None:
        run, at = telling.run, self.clock.now()
        message_id = webhook_id(run.id, part)
        answer = await self.sender.send(run, run.sink, message_id, part, at)
        telling.attempts.append(
            Attempt(run.id, message_id, at, run.failures + 1, len(part), answer.verdict, answer)
        )
        if answer.blames_payload and len(part) > 1:
            await self._tell_halves(telling, part)
            return
        now = self.clock.now()
        telling.run = run.after(answer, now, self.chance())
        if run.is_spent_by(answer):
            reason = answer.describe()
            telling.letters += [DeadLetter(run.id, item, reason, now) for item in part]
        if answer.verdict is Verdict.TOLD or run.is_spent_by(answer):
            telling.settle(part)

    async def _tell_halves(self, telling: _Telling, part: Sequence[Item]) -> None:
        """One update of a refused batch may be to blame: the others shall not share its fate."""
        middle = len(part) // 2
        for half in (part[:middle], part[middle:]):
            await self._tell_part(telling, half)
            if telling.has_stopped:
                return

    def _find_waiting(self, run_id: str) -> Run | None:
        run = self.runs.find({run_id}).get(run_id)
        return run if run and run.is_waiting(self.clock.now()) else None

    def _next_batch(self, run: Run) -> list[Item]:
        """What was being sent when it failed, as it was; else what is owed."""
        if is_quiet(run.sink):
            let_owe(self.runs, self.tasks, run.id)
            return []
        open_batch = self._open_batch(run) if run.batch else []
        return open_batch or self._owed(run)

    def _following_batch(self, run: Run) -> list[Item]:
        """The next one, unless the run's owner wants something else by now."""
        stored = self.runs.find({run.id}).get(run.id)
        if stored is None or stored.rewind or _wanted(stored) != _wanted(run):
            return []
        return self._next_batch(run)

    def _open_batch(self, run: Run) -> list[Item]:
        """What was being sent, as it was, if any of it may not have been told."""
        tasks = self.tasks.load([span.key for span in run.batch])
        items = [
            item
            for key, first, last in run.batch
            if (task := tasks.get(key)) and run.id in task.runs
            for item in items_within(task, first, last)
        ]
        untold = [
            item for item in items if item.update.seq > tasks[item.key].delivered.get(run.id, 0)
        ]
        # A worker may die when it has marked some. The rest alone would come under another id, and
        # its receiver could not tell that it knows it.
        return items if untold and takes_batches(run.sink) else untold

    def _owed(self, run: Run) -> list[Item]:
        tasks = self.tasks.owed_to(run.id, self._limit(run))
        # A mark that came with a newer update leaves a debt that is none.
        settled = {task.key: task.seq for task in tasks if not task.updates_for(run.id)}
        if settled:
            self.tasks.mark_told(run.id, settled)
        return [item for task in tasks for item in items_of(task, run.id)]

    def _why_not_to_fail(self, run: Run, failing: Failing) -> str | None:
        """What has changed since it was given up, which may be days while its WES is away."""
        if not can_fail(run.sink):
            return "its sink is another one now"
        states, _ = self.tasks.counts(run.id)
        if not all(state.is_final for state in states):
            return "a task of it goes on"
        last_change = self.tasks.last_change(run.id)
        # Also if that one has ended: its engine was alive when it began.
        has_moved = last_change is not None and last_change > failing.at
        return "a task of it has moved since it was given up" if has_moved else None

    def _limit(self, run: Run) -> int:
        return BATCH_TASKS if takes_batches(run.sink) else SINGLE_TASKS

    def _carry_out_rewind(self, run: Run) -> None:
        if run.rewind:
            self.tasks.rewind(run.id, run.rewind)
            self.runs.rewound(run.id, run.lease.generation, run.rewind)

    def _write_down(self, telling: _Telling) -> None:
        # The letters first: a worker that dies here tells again, and forgets nothing.
        if telling.letters:
            self.delivery_log.bury(telling.letters)
        if telling.told:
            self._mark(telling)
        self.delivery_log.add(telling.attempts)
        for attempt in telling.attempts:
            _log_attempt(attempt)

    def _mark(self, telling: _Telling) -> None:
        """A database that was busy for a moment is asked once more: else all is told again."""
        run = telling.run
        try:
            self.tasks.mark_told(run.id, telling.told)
        except Unavailable:
            # Whoever has taken the run over may have rewound it, which a late mark would undo.
            stored = self.runs.find({run.id}).get(run.id)
            if stored is None or stored.lease.generation != run.lease.generation:
                raise
            self.tasks.mark_told(run.id, telling.told)

    def _close(self, run: Run, rest: Sequence[Span]) -> Ending:
        if not run.is_active or run.next_attempt_at is not None:
            run = self._forgiven(run)
        return self.runs.close(run, run.lease.generation, batch=rest)

    def _forgiven(self, run: Run) -> Run:
        """What one address answered is not held against the one that the run has by now."""
        stored = self.runs.find({run.id}).get(run.id)
        if stored is None or stored.sink == run.sink:
            return run
        return replace(run, status=stored.status, failures=0, next_attempt_at=None)

    async def _call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, partial(work, *args, **kwargs))


def _wanted(run: Run) -> tuple[object, ...]:
    """What its owner may change while it is told."""
    return run.status, run.sink, run.secrets


def _parts(run: Run, batch: Sequence[Item]) -> Iterator[Sequence[Item]]:
    if takes_batches(run.sink):
        yield batch
        return
    for item in batch:
        yield [item]


def _log_attempt(attempt: Attempt) -> None:
    answer: Answer = attempt.answer
    fields = {
        "run": attempt.run_id,
        "webhook_id": attempt.webhook_id,
        "attempt": attempt.number,
        "updates": attempt.updates,
        "verdict": str(attempt.verdict),
        "status": answer.status,
        "error": answer.error,
        "latency_ms": round(answer.latency * 1000, 1),
    }
    # A receiver that is down is an outcome, not an error of this service.
    log.info("delivery.attempted", extra={"fields": fields})
