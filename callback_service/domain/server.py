"""A registered TES server."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from callback_service.domain.errors import InvalidInput
from callback_service.domain.polling import CallsBack, Polling

# The key of the server that runs name by not naming one, while none is registered.
DEFAULT_SERVER = "default"

_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Access(StrEnum):
    """Who may use a server through the gateway (design, "The contract")."""

    TOKEN = "token"  # noqa: S105  a word, not a token
    PASS = "pass"  # noqa: S105  a word, not a password
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Server:
    """A TES server: `key` names it in paths and documents, `url` is its base.

    `calls_back` is what an operator said (UNKNOWN: find it out); `credentials` names
    those in the settings with which the service itself reaches the server.
    """

    key: str
    url: str
    created_at: datetime
    calls_back: CallsBack = CallsBack.UNKNOWN
    is_default: bool = False
    access: Access = Access.TOKEN
    credentials: str | None = None
    polling: Polling = field(default_factory=Polling)

    @property
    def is_ours_to_ask(self) -> bool:
        """Whether the service may surely see the tasks there, as it may not where callers show
        credentials of their own and it has none.
        """
        return self.access is not Access.PASS or self.credentials is not None

    @property
    def tells(self) -> CallsBack:
        """Whether it calls back: as an operator said, else as was learnt."""
        return self.polling.learnt if self.calls_back is CallsBack.UNKNOWN else self.calls_back


def check_server_key(key: str, field: str = "name") -> str:
    """Return `key` if it can name a server (a DNS label), else raise `InvalidInput`."""
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            field, "must be 1 to 63 lower-case letters, digits and inner hyphens, as a DNS label"
        )
    return key


def check_server_url(url: str) -> str:
    """Return the base URL of a TES server without a trailing slash, else raise `InvalidInput`."""
    if not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        reason = "must be printable ASCII without spaces; percent-encode the rest"
        raise InvalidInput("url", reason)
    try:
        parts = urlsplit(url)
        port_is_legal = parts.port is None or parts.port > 0
    except ValueError:
        raise InvalidInput("url", "is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_legal:
        raise InvalidInput("url", "must be an absolute http or https URL")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("url", "must not carry user info; configure credentials instead")
    # An empty one, too: what is appended would become a part of it.
    if "?" in url or "#" in url:
        raise InvalidInput("url", "must not carry a query or fragment")
    return url.rstrip("/")
