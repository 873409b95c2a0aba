"""A registered WES run: who wants updates, where they go, and how the telling stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from callback_service.domain.capability import Capability
from callback_service.domain.delivery import Answer, Span, Verdict
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.sink import NoSink, Sink

# How long a run waits when its worker has died, but for the sweep: five seconds in all.
LEASE = timedelta(seconds=3)
# A renewal may come late, or fail, three times before somebody else takes the run over.
RENEW_EVERY = LEASE / 4
# Nobody whose clock is right leases for longer: such a lease would keep everybody away for as long
# as that clock is fast.
LONGEST_LEASE = timedelta(minutes=1)
# Tasks that a rewind names one by one; a run is read with each of its callbacks, and stays small.
REWIND_TASKS = 1000


class RunStatus(StrEnum):
    """`gone`: the receiver answered 410; `ending`: deleted or expired, being taken apart."""

    ACTIVE = "active"
    PAUSED = "paused"
    GONE = "gone"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who delivers to the run now; the generation refuses what an earlier holder writes late."""

    generation: int = 0
    holder: str | None = None
    until: datetime | None = None

    def is_held(self, now: datetime) -> bool:
        return self.until is not None and now < self.until <= now + LONGEST_LEASE


@dataclass(frozen=True, slots=True)
class Rewind:
    """What a caller asked to be told again: updates since a time, of all or of some tasks."""

    since: datetime | None = None
    task_ids: tuple[str, ...] | None = None

    def together_with(self, other: Self) -> Self:
        """One that covers both, and maybe more: being told again does no harm."""
        since = min(self.since, other.since) if self.since and other.since else None
        if self.task_ids is None or other.task_ids is None:
            return type(self)(since)
        task_ids = tuple(dict.fromkeys(self.task_ids + other.task_ids))
        return type(self)(since, task_ids if len(task_ids) <= REWIND_TASKS else None)


@dataclass(frozen=True, slots=True)
class Failing:
    """Somebody has given the run up: it is to be marked `SYSTEM_ERROR` where it is told."""

    by: str
    at: datetime
    reason: str

    def describe(self) -> str:
        return f"marked SYSTEM_ERROR by {self.by}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Run:
    """`batch` is what was being sent when an attempt failed or its worker died: it is sent
    again as it was, under the same webhook id, before anything newer.
    """

    id: str
    owner: str
    server: str
    created_at: datetime
    expires_at: datetime
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    sink: Sink = field(default_factory=NoSink)
    secrets: tuple[Capability, ...] = ()
    tokens: tuple[Capability, ...] = ()
    status: RunStatus = RunStatus.ACTIVE
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    failures: int = 0
    next_attempt_at: datetime | None = None
    lease: Lease = field(default_factory=Lease)
    batch: tuple[Span, ...] = ()
    rewind: Rewind | None = None
    failing: Failing | None = None
    last_delivery_at: datetime | None = None
    last_error: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether callbacks are taken for it."""
        return self.status is not RunStatus.ENDING and now < self.expires_at

    @property
    def is_active(self) -> bool:
        return self.status is RunStatus.ACTIVE

    def is_waiting(self, now: datetime) -> bool:
        """Whether it is to be told what it is owed now, by whoever holds its lease."""
        return (
            self.status is RunStatus.ACTIVE
            and now < self.expires_at
            and (self.next_attempt_at is None or self.next_attempt_at <= now)
        )

    def is_due(self, now: datetime) -> bool:
        """Whether somebody may take its lease and deliver to it now."""
        return self.is_waiting(now) and not self.lease.is_held(now)

    def after(self, answer: Answer, now: datetime, chance: float) -> Self:
        """The run after an attempt: when it is tried again, or that it is not.

        A run whose attempts are used up starts afresh: what it was being told goes
        to the dead letters (`is_spent` tells), and what comes later has its turn.
        """
        verdict = answer.verdict
        if verdict is Verdict.TOLD:
            return replace(
                self, failures=0, next_attempt_at=None, last_delivery_at=now, last_error=None
            )
        failed = replace(self, last_error=answer.describe())
        if verdict is Verdict.GONE:
            return replace(failed, status=RunStatus.GONE)
        if verdict is Verdict.REFUSED:
            return replace(failed, failures=0, next_attempt_at=None)
        delay = self.retry.delay(self.failures + 1, chance, answer.retry_after)
        if delay is None:
            return replace(failed, failures=0, next_attempt_at=None)
        return replace(failed, failures=self.failures + 1, next_attempt_at=now + delay)

    def after_failing(self, failing: Failing, answer: Answer, now: datetime, chance: float) -> Self:
        """The run after an attempt to mark it: it is over, or goes on, or is tried again."""
        after = self.after(answer, now, chance)
        if answer.verdict is Verdict.TOLD:
            return replace(after, status=RunStatus.GONE, last_error=failing.describe())
        if answer.verdict is Verdict.GONE or after.next_attempt_at is not None:
            return after
        return replace(after, last_error=f"could not be marked SYSTEM_ERROR: {answer.describe()}")

    def is_spent_by(self, answer: Answer) -> bool:
        """Whether an attempt was the last that its updates get."""
        spent = self.failures + 1 >= len(self.retry.schedule)
        return answer.verdict is Verdict.REFUSED or (answer.verdict is Verdict.RETRY and spent)
