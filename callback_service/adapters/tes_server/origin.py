"""Where connections of a server lead to."""

from typing import NamedTuple, Self
from urllib.parse import SplitResult


class Origin(NamedTuple):
    """Scheme, host and port: what a connection is for, and credentials with it."""

    is_tls: bool
    host: str
    port: int

    @classmethod
    def of(cls, url: SplitResult) -> Self:
        is_tls = url.scheme == "https"
        return cls(is_tls, url.hostname or "", url.port or (443 if is_tls else 80))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
