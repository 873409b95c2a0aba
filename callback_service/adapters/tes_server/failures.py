"""Plain words for what kept an answer from coming; they go on after the server's name."""

import http.client
import os
import socket
import ssl

from callback_service.adapters.tes_server.exchange import Exchange
from callback_service.adapters.tes_server.lookup import RefusedAddress
from callback_service.adapters.tes_server.origin import Origin
from callback_service.adapters.tes_server.unusable import Unusable
from callback_service.domain.errors import ServerFailed

# What can be raised on the way, by sockets, TLS, `http.client` and the reading of answers.
# A ValueError is `http.client`'s for a path or a header that it does not send.
FAILURES = (OSError, http.client.HTTPException, ValueError, Unusable)


_UNSENDABLE = "cannot be asked this: it does not fit into a request"


def failed(name: str, origin: Origin, exchange: Exchange, failure: Exception) -> ServerFailed:
    """The domain's error for any of `FAILURES`."""
    # First: at the deadline the connection is shut down, and everything else follows from that.
    if exchange.is_late or isinstance(failure, TimeoutError):
        return late(name, exchange)
    phrase = _unreached if exchange.is_unreached else _unanswered
    return ServerFailed(f"the TES server {name} {phrase(origin, failure)}")


def late(name: str, exchange: Exchange) -> ServerFailed:
    verb = "could not be reached" if exchange.is_unreached else "did not answer"
    return ServerFailed(
        f"the TES server {name} {verb} within {exchange.patience:g} s", is_late=True
    )


def _unreached(origin: Origin, failure: Exception) -> str:
    match failure:
        case RefusedAddress():
            return f"cannot be asked: {failure}"
        case socket.gaierror():
            return f"cannot be found: its host name {origin.host} does not resolve"
        case ssl.SSLError():
            return _untrusted(failure)
        case ConnectionRefusedError():
            return f"refuses connections at {origin}"
        case OSError(errno=number) if number is not None and number > 0:
            return f"cannot be reached at {origin} ({os.strerror(number).lower()})"
    return f"cannot be reached at {origin}"


def _untrusted(failure: ssl.SSLError) -> str:
    if isinstance(failure, ssl.SSLCertVerificationError):
        reason = failure.verify_message or "it does not verify"
        remedy = "name its authority's certificate in `custom.servers.ca_file`"
        return f"shows a TLS certificate that is not trusted ({reason}); {remedy}"
    reason = failure.reason or "the other side ended it"
    return f"cannot be asked by TLS ({reason.replace('_', ' ').lower()})"


def _unanswered(_origin: Origin, failure: Exception) -> str:
    match failure:
        case Unusable():
            return str(failure)
        case http.client.IncompleteRead():
            return "closed the connection in the middle of its answer"
        # `http.client` has made it one of its exceptions as well.
        case OSError():
            return "closed the connection before it had answered"
        case http.client.InvalidURL():
            return _UNSENDABLE
        case http.client.HTTPException():
            return "gave an answer that is not HTTP, or has too long or too many headers"
    return _UNSENDABLE
