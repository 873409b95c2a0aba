"""Where a run's updates go. To add a sink, begin here (see CONTRIBUTING.md)."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, urlsplit

from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.errors import InvalidInput

MAX_HEADERS = 20
MAX_HEADER_LENGTH = 4096
MAX_URL_LENGTH = 2048

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
# What the sender itself writes, what belongs to the connection, and what would
# make a delivery look like another's.
_RESERVED = frozenset(
    {
        "connection",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    }
)
_RESERVED_PREFIXES = ("content-", "webhook-", "x-forwarded-")


class Format(StrEnum):
    """The body of an HTTP delivery."""

    BATCH = "batch"
    TES = "tes"
    CLOUDEVENTS = "cloudevents"


@dataclass(frozen=True, slots=True)
class NoSink:
    """The client pulls."""


@dataclass(frozen=True, slots=True)
class HttpSink:
    """A webhook."""

    url: str
    format: Format = Format.BATCH
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CwlWesSink:
    """A run of cwl-WES, in a database that the operator has configured under a name."""

    target: str
    wes_run_id: str


@dataclass(frozen=True, slots=True)
class WesSink:
    """A run of a WES server that takes status updates; `url` is the base of its API."""

    url: str
    wes_run_id: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status_url(self) -> str:
        return f"{self.url.rstrip('/')}/runs/{quote(self.wes_run_id, safe='')}/status"


Sink = NoSink | HttpSink | CwlWesSink | WesSink
# What is told by requests to a URL.
Posted = HttpSink | WesSink


def is_quiet(sink: Sink) -> bool:
    """Whether nothing is ever pushed to it."""
    return isinstance(sink, NoSink)


def takes_batches(sink: Sink) -> bool:
    """Whether it is told many updates at once."""
    return not isinstance(sink, HttpSink) or sink.format is Format.BATCH


def can_fail(sink: Sink) -> bool:
    """Whether there is a run of a WES behind it, which can be marked as failed."""
    return isinstance(sink, CwlWesSink | WesSink)


def place_of(sink: Sink) -> str:
    """Where deliveries to it go: what is slow there is slow for all who go there."""
    if isinstance(sink, Posted):
        return urlsplit(sink.url).netloc
    return f"cwl-wes {sink.target}" if isinstance(sink, CwlWesSink) else ""


def check_sink(sink: Sink, policy: AddressPolicy, targets: Collection[str]) -> None:
    """Raise `InvalidInput` naming the field for which it may not be registered.

    `targets` are the names of the configured databases of cwl-WES.
    """
    if isinstance(sink, HttpSink):
        check_http_sink(sink, policy)
    if isinstance(sink, WesSink):
        _check_wes_sink(sink, policy)
    if isinstance(sink, CwlWesSink):
        _check_target(sink.target, targets)


def _check_target(target: str, targets: Collection[str]) -> None:
    if target in targets:
        return
    known = ", ".join(sorted(targets)) or "none"
    raise InvalidInput(
        "sink.target",
        f"no target {target!r} is configured in `custom.cwl_wes.targets`; there is {known}",
    )


def check_http_sink(sink: HttpSink, policy: AddressPolicy) -> HttpSink:
    """Return the sink if it may be registered, else raise `InvalidInput` naming the field."""
    _check_url(sink.url, policy)
    _check_headers(sink.headers)
    return sink


def _check_wes_sink(sink: WesSink, policy: AddressPolicy) -> None:
    _check_url(sink.url, policy)
    # The rest of the path comes behind it.
    if "?" in sink.url or "#" in sink.url:
        raise InvalidInput("sink.url", "must be the base of a WES API, without a query")
    if sink.wes_run_id in {".", ".."}:
        raise InvalidInput("sink.wes_run_id", "is none: in a URL it would lead to another place")
    _check_headers(sink.headers)


def _check_url(url: str, policy: AddressPolicy) -> None:
    where = "sink.url"
    if len(url) > MAX_URL_LENGTH:
        raise InvalidInput(where, f"must have at most {MAX_URL_LENGTH} characters")
    if not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        raise InvalidInput(where, "must be printable ASCII without spaces; percent-encode the rest")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidInput(where, "is not a URL") from None
    if parts.scheme not in {"http", "https"}:
        raise InvalidInput(where, "must be an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(where, "must not carry user info; use `sink.headers.Authorization`")
    if not host or not _names_host(host) or port == 0 or "\\" in url:
        raise InvalidInput(where, "must name a host and, if any, a port from 1 to 65535")
    policy.check_host(host, where)


def _names_host(host: str) -> bool:
    # What has a colon stood in brackets, and `urlsplit` takes only addresses there.
    return ":" in host or _HOST_NAME.fullmatch(host) is not None


def _check_headers(headers: Mapping[str, str]) -> None:
    if len(headers) > MAX_HEADERS:
        raise InvalidInput("sink.headers", f"must be at most {MAX_HEADERS}")
    for name, value in headers.items():
        where = f"sink.headers.{name[:64]}"
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidInput("sink.headers", "a header name must be an RFC 9110 token")
        if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
            raise InvalidInput(where, "is set by the service or reserved; choose another name")
        if len(value) > MAX_HEADER_LENGTH or not _HEADER_VALUE.fullmatch(value):
            raise InvalidInput(
                where, f"must be at most {MAX_HEADER_LENGTH} printable ASCII characters"
            )
    if len({name.lower() for name in headers}) < len(headers):
        raise InvalidInput("sink.headers", "names the same header twice")
