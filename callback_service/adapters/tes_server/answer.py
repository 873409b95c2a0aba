"""Reading answers, within bounds."""

import http.client
import time
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from callback_service.adapters.tes_server.exchange import Exchange
from callback_service.adapters.tes_server.unusable import Unusable
from callback_service.relay.ports import Reply

_CHUNK = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def read_answer(
    response: http.client.HTTPResponse, url: str, limit: int, exchange: Exchange
) -> Reply:
    """Raises `Unusable`, and what `http.client` raises."""
    # From then on the connection does not speak HTTP.
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
        raise Unusable(f"answered {response.status}, which nobody asked for")
    if response.status in _REDIRECTS:
        raise Unusable(_redirect(url, response.getheader("Location", "")))
    body = _body(response, limit, exchange)
    return Reply(response.status, body, _headers(response))


def _redirect(url: str, location: str) -> str:
    try:
        to = urlsplit(urljoin(url, location))
        host = f"{to.scheme}://{to.netloc.rpartition('@')[2]}"
    except ValueError:
        host = "an address that is none"
    return f"redirects to {host}, which is not followed: register the URL that it answers at"


def _body(response: http.client.HTTPResponse, limit: int, exchange: Exchange) -> bytes:
    if response.length is not None and response.length > limit:
        raise Unusable(f"answered more than {limit} bytes")
    chunks, size = [], 0
    # One byte more than is allowed, to know of it.
    while chunk := response.read(min(_CHUNK, limit + 1 - size)):
        size += len(chunk)
        if size > limit:
            raise Unusable(f"answered more than {limit} bytes")
        chunks.append(chunk)
        exchange.left()
        if len(chunk) == _CHUNK:
            # What comes faster than it is read here would never let other greenlets have a turn.
            time.sleep(0)
    # A body whose length was not said ends with the connection, which the deadline may have ended.
    exchange.left()
    # `http.client` does not mind one that is shorter than its server had said.
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(chunks)


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
