"""Plain words for what kept an answer from coming."""

import os

import aiohttp

from callback_service.adapters.http_sink.egress import RefusedAddress

# The first that fits counts: aiohttp's classes are each other's children.
_PHRASES: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ConnectionTimeoutError, "no connection could be made in time"),
    (TimeoutError, "no answer came in time"),
    (aiohttp.NonHttpUrlClientError, "the URL cannot be used (it is not an http or https one)"),
    (aiohttp.ClientResponseError, "the answer is not valid HTTP"),
    (aiohttp.ClientConnectionError, "the connection was closed before an answer came"),
    (OSError, "the connection was closed before an answer came"),
)


def describe(failure: Exception) -> str:
    """The cause of a failure in one phrase, for whoever reads the log of attempts."""
    if isinstance(failure, aiohttp.ClientConnectorError):
        return _no_connection(failure)
    if isinstance(failure, aiohttp.InvalidURL):
        return f"the URL cannot be used ({failure.description or 'it is malformed'})"
    return next(
        (phrase for kind, phrase in _PHRASES if isinstance(failure, kind)),
        "the request cannot be made from this URL and these headers",
    )


def _no_connection(failure: aiohttp.ClientConnectorError) -> str:
    cause = failure.os_error
    if isinstance(cause, RefusedAddress):
        return str(cause)
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return f"the host name {failure.host} does not resolve"
    if isinstance(failure, aiohttp.ClientConnectorCertificateError):
        reason = getattr(cause, "verify_message", "") or "it is not trusted"
        return f"the TLS certificate is not accepted ({reason})"
    if isinstance(failure, aiohttp.ClientSSLError):
        reason = getattr(cause, "reason", None) or "the other side ended it"
        return f"the TLS handshake failed ({reason.replace('_', ' ').lower()})"
    reason = os.strerror(cause.errno) if cause.errno else "the other side closed it"
    return f"no connection to {failure.host}:{failure.port} ({reason.lower()})"
