"""What became of a request to submit a task, for clients that send it again elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """`digest` says of what; `rank` counts the base paths that clients try in turn.

    `status` is None until the answer is there. `content_type` is empty where `body` is the
    sentence of a problem.
    """

    id: str
    digest: str
    rank: int
    at: datetime
    status: int | None = None
    body: bytes = b""
    content_type: str = ""

    @property
    def is_open(self) -> bool:
        return self.status is None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def likeliest(outcomes: Iterable[Outcome]) -> Outcome | None:
    """The one that a repeat is about: most likely it failed, least likely it went well."""
    return min(outcomes, key=_unlikelihood, default=None)


def _unlikelihood(outcome: Outcome) -> tuple[int, datetime]:
    kind = 1 if outcome.is_open else 2 if outcome.is_success else 0
    return kind, outcome.at
