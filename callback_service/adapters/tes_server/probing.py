"""Looking for the path below which a server answers.

TES servers serve below `/ga4gh/tes/v1`, older ones below `/v1`, some at the root; some only at
one of them. It is found by reading: a POST is never tried here and there.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from callback_service.adapters.tes_server.exchange import Exchange
from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.relay.ports import Reply

_PATHS = ("/ga4gh/tes/v1", "/v1", "")
_INFO = "/service-info"
# For servers whose service-info fails, or is elsewhere as in TES 0.x.
_LIST = "/tasks?page_size=1&view=MINIMAL"

# Reads what is at a base URL and the path behind it.
Probe = Callable[[str, str], Reply]


@dataclass(frozen=True, slots=True)
class Base:
    """A base URL, or else the reason why there is none."""

    url: str = ""
    error: str = ""
    is_sure: bool = False
    found_at: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        return time.monotonic() - self.found_at


def look(server: Server, probe: Probe, exchange: Exchange) -> Base:
    """Raises `ServerFailed` where the server cannot be reached, or answers too late."""
    closed, troubles = [], []
    for url in (f"{server.url}{path}" for path in _PATHS):
        for target in (_INFO, _LIST):
            try:
                reply = probe(url, target)
            except ServerFailed as failure:
                if failure.is_late or exchange.is_unreached:
                    raise
                troubles.append(str(failure))
                continue
            if _is_tes(reply):
                return Base(url, is_sure=True)
            if reply.status in {401, 403}:
                closed.append(url)
                break
            if reply.status >= 500:
                troubles.append(f"the TES server {server.key} answers {reply.status}")
    if closed:
        # Where everything is closed, it says nothing about what is behind.
        return Base(closed[0], is_sure=len(closed) == 1)
    tried = ", ".join(f"{path or '/'}" for path in _PATHS)
    nowhere = f"the TES server {server.key} does not answer as one below its URL (tried {tried})"
    return Base(error=next(iter(troubles), nowhere))


def _is_tes(reply: Reply) -> bool:
    """Whether it is a service-info or a list, and not a web page or another GA4GH service."""
    if reply.status != 200:
        return False
    try:
        answer: Any = json.loads(reply.body)
    except ValueError:
        return False
    if not isinstance(answer, dict):
        return False
    kind = answer.get("type")
    artifact = kind.get("artifact") if isinstance(kind, dict) else None
    return artifact is None or str(artifact).lower() == "tes"
