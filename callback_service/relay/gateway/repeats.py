"""A `POST` that a client sends again to the next base path must not submit its task again.

py-tes tries three of them in turn, after whatever went wrong.
"""

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from callback_service.domain.callback_run import digest_of
from callback_service.domain.errors import Unavailable
from callback_service.domain.tes import Variant
from callback_service.relay.gateway.answer import Answer
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.ports import Clock, Outcome, Outcomes

# A client tries three paths, and gives each of them ten seconds.
LIFE = timedelta(seconds=30)
# For while the database is down; each is small.
REMEMBERED = 1000
LONGEST_BODY = 16 * 1024


@dataclass(slots=True)
class _Remembered:
    """`is_kept`: the database has it, too."""

    outcome: Outcome
    is_kept: bool = False
    taken: set[int] = field(default_factory=set)


def digest(visit: Visit, body: bytes) -> str:
    return digest_of(visit.owner, visit.server.key, body)


class Repeats:
    def __init__(self, outcomes: Outcomes, breaker: Breaker, clock: Clock) -> None:
        self._outcomes = outcomes
        self._breaker = breaker
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: deque[_Remembered] = deque(maxlen=REMEMBERED)

    def keep(self, meant: str, variant: Variant, answer: Answer) -> None:
        """Whoever repeats this on a later path is answered the same."""
        kept = _small(answer)
        said = kept.body if kept.detail is None else kept.detail.encode()
        content_type = kept.content_type if kept.detail is None else ""
        now = self._clock.now()
        outcome = Outcome(meant, int(variant), now, kept.status, said, content_type)
        remembered = _Remembered(outcome)
        with self._lock:
            self._remembered.append(remembered)
        with suppress(Unavailable):
            self._breaker.call(self._outcomes.keep, outcome)
            remembered.is_kept = True

    def take(self, meant: str, variant: Variant) -> Answer | None:
        """What became of the request on an earlier path, once for each path."""
        if variant is Variant.GA4GH:
            # The first one: it repeats nothing.
            return None
        since = self._clock.now() - LIFE
        try:
            outcome = self._breaker.call(self._outcomes.take, meant, int(variant), since)
            outcome = outcome or self._recall(meant, variant, is_kept=False)
        except Unavailable:
            outcome = self._recall(meant, variant, is_kept=True)
        return _answer(outcome) if outcome else None

    def _recall(self, meant: str, variant: Variant, *, is_kept: bool) -> Outcome | None:
        """From memory; also what the database has, if it cannot be asked."""
        since = self._clock.now() - LIFE
        with self._lock:
            for one in self._remembered:
                outcome = one.outcome
                is_meant = outcome.digest == meant and outcome.at >= since
                is_open = outcome.rank < variant and variant not in one.taken
                if is_meant and is_open and (is_kept or not one.is_kept):
                    one.taken.add(int(variant))
                    return outcome
        return None


def _small(answer: Answer) -> Answer:
    if len(answer.body) <= LONGEST_BODY:
        return answer
    return Answer(answer.status, detail=f"the TES server answered {answer.status} at length")


def _answer(outcome: Outcome) -> Answer:
    if not outcome.content_type:
        return Answer(outcome.status, detail=outcome.body.decode())
    return Answer(outcome.status, outcome.body, outcome.content_type)
