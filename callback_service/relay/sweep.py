"""What happens by the clock: rings that were lost, runs that are over, records that are old."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from callback_service.relay.ports import Clock, DeliveryLog, Doorbell, Runs, Tasks, Ticks

log = logging.getLogger(__name__)

SWEEP_EVERY = timedelta(seconds=1)
EXPIRE_EVERY = timedelta(seconds=10)
# A look at one document, unless the service was upgraded.
MIGRATE_EVERY = timedelta(minutes=1)
FORGET_EVERY = timedelta(minutes=10)
# Longer than anybody may set (`gateway.accepted_for`).
BRIEFLY = timedelta(days=2)
ENDED_AT_ONCE = 100
# Tasks that owe something and are looked at in one sweep.
PAGE = 500


@dataclass(frozen=True, slots=True)
class Retention:
    """How long records are kept that nobody is owed."""

    tasks: timedelta
    deliveries: timedelta


class Sweeper:
    """Rings again for what is owed and due: what the broker lost, retries whose time came."""

    def __init__(self, tasks: Tasks, runs: Runs, doorbell: Doorbell, clock: Clock) -> None:
        self._tasks = tasks
        self._runs = runs
        self._doorbell = doorbell
        self._clock = clock
        self._place = 0

    def sweep(self) -> None:
        now = self._clock.now()
        # First, and by themselves: no number of debts keeps a retry from its time.
        self._doorbell.ring(self._runs.overdue(now))
        creditors = self._next_creditors()
        if not creditors:
            return
        self._doorbell.ring(self._runs.due(creditors, now))
        # A callback that raced the end of its run may have put it on a task again.
        for run_id in self._runs.missing(creditors):
            self._tasks.leave(run_id)

    def _next_creditors(self) -> set[str]:
        """Those of the next page of debts; after the last one, the first comes again.

        Debts come and go meanwhile, so a page may miss one; the round after finds it.
        """
        creditors = self._tasks.creditors(self._place, PAGE)
        if not creditors and self._place:
            self._place = 0
            creditors = self._tasks.creditors(0, PAGE)
        self._place += PAGE
        return creditors


class Expirer:
    """Ends runs whose time is over or that were deleted, and forgets old records."""

    def __init__(
        self,
        tasks: Tasks,
        runs: Runs,
        delivery_log: DeliveryLog,
        clock: Clock,
        retention: Retention,
    ) -> None:
        self._tasks = tasks
        self._runs = runs
        self._log = delivery_log
        self._clock = clock
        self._retention = retention

    def expire(self) -> None:
        while ended := self._runs.ended(self._clock.now(), ENDED_AT_ONCE):
            for run_id in ended:
                self._tasks.leave(run_id)
                self._runs.remove(run_id)
                log.info("run.ended", extra={"fields": {"run": run_id}})

    def forget(self) -> None:
        now = self._clock.now()
        self._log.forget(now - self._retention.deliveries)
        self._tasks.forget(now - self._retention.tasks)


class Forgetful(Protocol):
    def forget(self, before: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class Brief:
    """Records that nobody needs for longer than a day."""

    kept: Sequence[Forgetful]
    clock: Clock

    def forget(self) -> None:
        before = self.clock.now() - BRIEFLY
        for records in self.kept:
            records.forget(before)


class Tick:
    """Work that every worker offers to do, and one does: whoever claims it first."""

    def __init__(
        self, name: str, every: timedelta, work: Callable[[], object], ticks: Ticks, clock: Clock
    ) -> None:
        self.every = every
        self.name = name
        self._work = work
        self._ticks = ticks
        self._clock = clock

    def offer(self) -> None:
        now = self._clock.now()
        if self._ticks.claim(self.name, now, now + self.every):
            self._work()
