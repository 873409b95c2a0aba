"""A `POST` that a client sends again to the next base path must not submit its task again.

py-tes tries three of them in turn, after whatever went wrong. So each is put down before it is
handed on, in the database and in a folder of this host: then a repeat knows of it though its
process was killed, though it is still under way, and though the database is away.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from callback_service.domain.callback_run import digest_of
from callback_service.domain.errors import Unavailable
from callback_service.domain.outcome import Outcome
from callback_service.domain.tes import Variant
from callback_service.relay.gateway.answer import Answer
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.ports import Clock, Outcomes

# A client tries three paths, and gives each of them ten seconds.
LIFE = timedelta(seconds=30)
# A client that was answered before has not given up.
PATIENCE = timedelta(seconds=9)
LOOK_EVERY = 0.1
LONGEST_BODY = 16 * 1024
# Answers after which py-tes goes on to the next path.
_REPEATED = frozenset({404, *range(500, 600)})

LOST = Answer(
    504,
    detail="the gateway was stopped while it handed this task on: the TES server may have taken "
    "it, so it is not handed on again",
)


def digest(visit: Visit, body: bytes, run_id: str | None) -> str:
    """Of what makes a request the same, for one program: others submit equal tasks, too."""
    return digest_of(visit.owner, visit.server.key, visit.client, run_id or "", body)


@dataclass
class Repeats:
    """`near` is what this host's processes share, `far` what all of them do.

    `open_for` is how long a request may be under way before whoever had it must be gone.
    """

    near: Outcomes
    far: Outcomes
    breaker: Breaker
    clock: Clock
    pause: Callable[[float], None]
    open_for: timedelta
    _tidied_at: datetime | None = None

    def begin(self, meant: str, variant: Variant, at: datetime) -> Outcome | None:
        """Before it is handed on, since when it is asked for; None on the last path."""
        if variant is max(Variant):
            return None
        self._tidy(at)
        outcome = Outcome(secrets.token_hex(12), meant, int(variant), at)
        self._keep(outcome)
        return outcome

    def end(self, outcome: Outcome | None, answer: Answer) -> None:
        """The answer is about to leave; it is kept if the client may go on to the next path."""
        if outcome is None:
            return
        is_late = self.clock.now() - outcome.at > PATIENCE
        if answer.status in _REPEATED or (answer.is_success and is_late):
            self._keep(_closed(outcome, answer))
            return
        self.near.drop(outcome.id)
        with suppress(Unavailable):
            self.breaker.call(self.far.drop, outcome.id)

    def take(self, meant: str, variant: Variant) -> Answer | None:
        """What became of the request on an earlier path, once for each path."""
        if variant is min(Variant):
            # The first one: it repeats nothing.
            return None
        while True:
            outcome = self._likeliest(meant, int(variant))
            if outcome is None:
                return None
            if not outcome.is_open:
                return _answer(outcome)
            if self.clock.now() - outcome.at > self.open_for:
                # For whoever comes next, and for this one in the next round.
                self._keep(_closed(outcome, LOST))
            else:
                self.pause(LOOK_EVERY)

    def _likeliest(self, meant: str, rank: int) -> Outcome | None:
        """Of both: what ended while the database was away is still open there."""
        since = self.clock.now() - LIFE
        near = self.near.take(meant, rank, since)
        with suppress(Unavailable):
            if near and not near.is_open:
                self.breaker.call(self.far.note_taken, near.id, rank)
                return near
            far = self.breaker.call(self.far.take, meant, rank, since)
            if far and not far.is_open:
                self.near.note_taken(far.id, rank)
            return far or near
        return near

    def _keep(self, outcome: Outcome) -> None:
        self.near.keep(outcome)
        with suppress(Unavailable):
            self.breaker.call(self.far.keep, outcome)

    def _tidy(self, now: datetime) -> None:
        if self._tidied_at is None or now - self._tidied_at > LIFE:
            self._tidied_at = now
            self.near.forget(now - 2 * LIFE)


def _closed(outcome: Outcome, answer: Answer) -> Outcome:
    kept = _small(answer)
    if kept.detail is None:
        said, content_type = kept.body, kept.content_type
    else:
        said, content_type = kept.detail.encode(), ""
    return replace(outcome, status=kept.status, body=said, content_type=content_type)


def _small(answer: Answer) -> Answer:
    if len(answer.body) <= LONGEST_BODY:
        return answer
    return Answer(answer.status, detail=f"the TES server answered {answer.status} at length")


def _answer(outcome: Outcome) -> Answer:
    status = outcome.status or 500
    if not outcome.content_type:
        return Answer(status, detail=outcome.body.decode())
    return Answer(status, outcome.body, outcome.content_type)
