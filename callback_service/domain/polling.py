"""How a server that is asked stands: when it is due, what it costs, what was learnt of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

# A server that failed is asked again after a second, then after twice as long each time.
FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(minutes=2)
# What a server that wants to be left alone is granted.
LONGEST_WAIT = timedelta(minutes=10)
JITTER = 0.2
# Reads that brought news, of which half is forgotten when there are so many.
SAMPLES = 100
# The part of the news that must have come by callback before its server is believed to call back,
# and how much there must have been: who drops a third of its callbacks must not seem to by luck,
# for it is asked seldom then.
TRUSTED = 0.9
TOLD = 25
# News that came by asking alone, after which a server is taken for one that does not call back.
UNTOLD = 5


class CallsBack(StrEnum):
    """Whether a server sends callbacks: learnt, or set by an operator."""

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


class Filters(StrEnum):
    """Whether a server narrows lists by tag. Servers that do not ignore a filter silently."""

    UNTRIED = "untried"
    HONOURED = "honoured"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Budget:
    """Requests that a server may be asked: so many a second, and so many saved up at most.

    `wanted_per_second` holds while clients wait at the gateway, who would ask more.
    """

    per_second: float = 1.0
    saved: int = 30
    wanted_per_second: float = 0.0

    def wanted(self) -> Self:
        """The budget while clients wait. What was saved up lasts for as long as before."""
        more = max(1.0, self.wanted_per_second / self.per_second)
        return type(self)(self.per_second * more, round(self.saved * more))

    @property
    def price(self) -> timedelta:
        return timedelta(seconds=1 / self.per_second)


@dataclass(frozen=True, slots=True)
class Polling:
    """What all workers know of asking one server.

    `claim` counts the claims; whoever made the last one holds the server until
    `held_until`. `paid_until` is the time up to which the budget is spent (it may
    be in the future). `covered_at` is when a poll began that asked for every open
    task. Up to `wanted_until` clients ask the gateway for its tasks, who would ask the server
    else; up to `waited_until` others wait here for what becomes of some.
    """

    claim: int = 0
    held_until: datetime | None = None
    next_at: datetime | None = None
    polled_at: datetime | None = None
    covered_at: datetime | None = None
    wanted_until: datetime | None = None
    waited_until: datetime | None = None
    paid_until: datetime | None = None
    requests: int = 0
    failures: int = 0
    error: str | None = None
    filters: Filters = Filters.UNTRIED
    told: int = 0
    found: int = 0
    learnt: CallsBack = CallsBack.UNKNOWN

    def is_free(self, now: datetime) -> bool:
        """Whether nobody holds it, and it is not being left alone after a failure."""
        is_held = self.held_until is not None and now < self.held_until
        is_early = self.next_at is not None and now < self.next_at
        return not is_held and not is_early

    def is_wanted(self, now: datetime) -> bool:
        return self.wanted_until is not None and now < self.wanted_until

    def is_waited(self, now: datetime) -> bool:
        return self.waited_until is not None and now < self.waited_until

    def is_awaited(self, now: datetime) -> bool:
        """Whether anybody is there who would like to know soon."""
        return self.is_wanted(now) or self.is_waited(now)

    def terms(self, budget: Budget, now: datetime) -> Budget:
        return budget.wanted() if self.is_wanted(now) else budget

    def affordable_at(self, now: datetime, budget: Budget, requests: int = 1) -> datetime:
        """The time from which on the budget allows so many requests at once (now, or later)."""
        budget = self.terms(budget, now)
        if self.paid_until is None:
            return now
        return max(now, self.paid_until - (budget.saved - requests) * budget.price)

    def allowance(self, now: datetime, budget: Budget) -> int:
        """How many requests the budget allows at once."""
        budget = self.terms(budget, now)
        if self.paid_until is None or self.paid_until <= now:
            return budget.saved
        return max(0, (budget.saved * budget.price - (self.paid_until - now)) // budget.price)

    def spend(self, requests: int, now: datetime, budget: Budget) -> Self:
        """After so many requests, which are paid for whether they were affordable or not."""
        budget = self.terms(budget, now)
        begin = max(now, self.paid_until) if self.paid_until else now
        paid = begin + requests * budget.price
        return replace(self, paid_until=paid, requests=self.requests + requests)

    def succeed(self, began: datetime, *, is_cover: bool, took: timedelta = timedelta()) -> Self:
        """After a poll that got its answers; `is_cover` where it asked for every open task.

        Who took long to answer is left alone for as long: it is not kept busy by being asked.
        """
        return replace(
            self,
            polled_at=began,
            covered_at=began if is_cover else self.covered_at,
            next_at=began + took + min(took, LONGEST_BACKOFF) if took else None,
            failures=0,
            error=None,
        )

    def fail(self, error: str, now: datetime, chance: float, wait: timedelta = timedelta()) -> Self:
        """After a poll that did not; `chance` in [0, 1) spreads the next one by ±20 %.

        `wait` is for how long the server wants to be left alone.
        """
        doubled = FIRST_BACKOFF * 2 ** min(self.failures, 16)
        spread = 1 - JITTER + 2 * JITTER * chance
        next_at = now + max(min(doubled, LONGEST_BACKOFF) * spread, min(wait, LONGEST_WAIT))
        return replace(self, failures=self.failures + 1, error=error, next_at=next_at)

    def learn(self, *, told: int, found: int) -> Self:
        """After reads that confirmed what callbacks told, or found what none had."""
        told, found = self.told + told, self.found + found
        while told + found > SAMPLES:
            told, found = told // 2, found // 2
        return replace(self, told=told, found=found, learnt=_judged(told, found, self.learnt))

    def forget(self) -> Self:
        """What is left when the server has moved: nothing that was learnt of the old one.

        Whoever is asking the old one at this moment has lost the claim, and writes nothing of it.
        """
        return type(self)(claim=self.claim + 1, requests=self.requests)


def _judged(told: int, found: int, before: CallsBack) -> CallsBack:
    if told + found == 0:
        return before
    if told >= TOLD and told >= TRUSTED * (told + found):
        return CallsBack.YES
    if told == 0 and found >= UNTOLD:
        return CallsBack.NO
    return CallsBack.UNKNOWN
