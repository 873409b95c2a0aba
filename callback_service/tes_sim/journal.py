"""What the simulated server was asked."""

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime

from callback_service.tes_sim.request import Query

KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `operation` is its operationId in TES, or empty for what is none.

    `status` is 0 where there was no answer.
    """

    at: datetime
    method: str
    path: str
    query: Query
    operation: str
    status: int


class Journal:
    """Counts all requests, and keeps the last ones."""

    def __init__(self) -> None:
        self._asked: deque[Asked] = deque(maxlen=KEPT)
        self._counts: Counter[str] = Counter()

    def write(self, asked: Asked) -> None:
        self._asked.append(asked)
        self._counts[asked.operation] += 1

    def clear(self) -> None:
        self._asked.clear()
        self._counts.clear()

    @property
    def requests(self) -> list[Asked]:
        return list(self._asked)

    @property
    def counts(self) -> dict[str, int]:
        """By operation."""
        return dict(self._counts)

    @property
    def total(self) -> int:
        return self._counts.total()
