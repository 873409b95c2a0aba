"""Whether what is believed is what is true, and for how long it was not."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from callback_service.domain.states import FINAL
from tests.faults.records import Attempt, Stored, Truth, Turn

_NOBODY_KNOWS = "nothing"
_FOR_EVER = float("inf")


class Span(NamedTuple):
    """A stretch of time in which `believed` was held for what truly was another state."""

    task: str
    since: float
    until: float
    true: str
    believed: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def after(self, attempts: Iterable[Attempt]) -> "Span":
        """What is left of it after the last callback that was heard in it."""
        heard = [one.answered_at for one in attempts if self.since <= one.answered_at < self.until]
        return self._replace(since=max([self.since, *heard]))

    def said(self) -> str:
        believed = ", ".join(self.believed)
        return f"{self.task} was {self.true}, and {self.seconds:.1f} s long believed {believed}"


def belief(stored: Stored | None) -> list[Turn]:
    return [Turn(one.at, one.state) for one in stored.history] if stored else []


def unequal(truth: Truth, believed: Sequence[Turn], until: float) -> list[Span]:
    """Where the truth moves on, what is unequal then begins anew."""
    spans = []
    phases = _phases([Turn(0.0, _NOBODY_KNOWS), *believed], until)
    for since, end, state in _phases(truth.turns, until):
        parts = [
            (max(since, begin), min(end, finish), held)
            for begin, finish, held in phases
            if begin < end and finish > since
        ]
        spans += [
            Span(truth.task, wrong[0][0], wrong[-1][1], state, tuple(part[2] for part in wrong))
            for wrong in _runs_of_wrong(parts, state)
        ]
    return spans


def undone_ends(stored: Stored) -> list[str]:
    """Ends that a callback has taken back, which none may."""
    return [
        f"{stored.task} ended as {before.state}, and a callback made that {after.state}"
        for before, after in pairwise(stored.history)
        if before.state in FINAL and after.source == "callback"
    ]


def _phases(turns: Sequence[Turn], until: float) -> list[tuple[float, float, str]]:
    ends = [*(one.at for one in turns[1:]), until]
    return [(one.at, end, one.state) for one, end in zip(turns, ends, strict=True) if one.at < end]


Part = tuple[float, float, str]


def _runs_of_wrong(parts: Iterable[Part], right: str) -> Iterator[list[Part]]:
    wrong: list[Part] = []
    for part in parts:
        if part[2] != right:
            wrong.append(part)
        elif wrong:
            yield wrong
            wrong = []
    if wrong:
        yield wrong


def at(turns: Sequence[Turn], since: float, until: float) -> set[str]:
    """All states that were believed at some time between the two."""
    ends = [*(later.at for _, later in pairwise(turns)), _FOR_EVER]
    return {
        one.state for one, end in zip(turns, ends, strict=True) if one.at <= until and end >= since
    }
