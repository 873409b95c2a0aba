"""One attempt to hand a run what it is owed: what is sent, and what its answer means."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from callback_service.domain.states import State
from callback_service.domain.task import Task, TaskKey, Update

# Answers about the payload: one update may be to blame, and the others are spared by halving.
_PAYLOAD_REFUSED = frozenset({400, 413, 422})
_RETRIED = frozenset({408, 425, 429})


class Item(NamedTuple):
    """An update as a run is told it."""

    key: TaskKey
    update: Update
    previous: State


class Span(NamedTuple):
    """Updates of one task, both ends included: what an open batch remembers."""

    key: TaskKey
    first: int
    last: int


class Verdict(StrEnum):
    """What an attempt's answer means for the updates that were sent."""

    TOLD = "told"
    RETRY = "retry"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, or the error that kept one from coming.

    `latency` in seconds; `body` is a bounded piece of the answer, for the log.
    """

    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None
    latency: float = 0.0
    body: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.status is None or self.status in _RETRIED or self.status >= 500:
            return Verdict.RETRY
        if 200 <= self.status < 300:
            return Verdict.TOLD
        return Verdict.GONE if self.status == 410 else Verdict.REFUSED

    @property
    def blames_payload(self) -> bool:
        return self.status in _PAYLOAD_REFUSED

    def describe(self) -> str:
        """One phrase for people: the transport's error or the status."""
        return self.error or f"answered {self.status}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A line of the log of attempts."""

    run_id: str
    webhook_id: str
    at: datetime
    number: int
    updates: int
    verdict: Verdict
    answer: Answer


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An update that a run was not told, and why."""

    run_id: str
    item: Item
    reason: str
    at: datetime


def items_of(task: Task, run_id: str) -> list[Item]:
    return [Item(task.key, update, task.previous(update)) for update in task.updates_for(run_id)]


def items_within(task: Task, first: int, last: int) -> list[Item]:
    return [
        Item(task.key, update, task.previous(update))
        for update in task.history
        if first <= update.seq <= last
    ]


def spans_of(items: Iterable[Item]) -> list[Span]:
    """The spans that items cover, in the order of the tasks' first appearance."""
    spans: dict[TaskKey, Span] = {}
    for key, update, _ in items:
        span = spans.get(key, Span(key, update.seq, update.seq))
        spans[key] = Span(key, min(span.first, update.seq), max(span.last, update.seq))
    return list(spans.values())


def failure_id(run_id: str, at: datetime) -> str:
    """That of the message that a run has failed; `at` is when it was given up."""
    digest = hashlib.sha256(f"{run_id}\nfailing {at.isoformat()}".encode())
    return "msg_" + digest.hexdigest()[:32]


def webhook_id(run_id: str, items: Iterable[Item]) -> str:
    """The same for the same updates to the same run, so that a receiver knows a repeat."""
    digest = hashlib.sha256(run_id.encode())
    for key, first, last in spans_of(items):
        digest.update(f"\n{key} {first} {last}".encode())
    return "msg_" + digest.hexdigest()[:32]
