"""What the server is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is everything behind the host, percent-encoded, without the query."""

    at: datetime
    method: str
    path: str
    query: Query = ()
    body: bytes | None = None
    authorization: str | None = None

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.query if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]
