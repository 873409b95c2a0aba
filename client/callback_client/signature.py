"""Signatures of webhooks as Standard Webhooks 1.0 defines them (symmetric, `v1`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any, Dict, Iterable, List, Optional, Protocol, Sequence, Tuple, Union

from callback_client.errors import InvalidSignature

_PREFIX = "whsec_"
# More digits than a timestamp in seconds will have for ten thousand years.
_TIMESTAMP_DIGITS = 12


class Headers(Protocol):
    """A dict of headers, or what web frameworks have for one."""

    def items(self) -> Iterable[Tuple[str, str]]: ...


def verify(
    headers: Headers,
    body: Union[str, bytes],
    secrets: Union[str, Sequence[str]],
    *,
    tolerance: Optional[float] = 300,
    now: Optional[float] = None,
) -> Any:
    """What a webhook says, once it is certain that the service sent it.

    `headers` are those of the request, their names in any case; `body` is its
    content exactly as received, not parsed and written anew. `secrets` is the
    run's secret (`whsec_` and base64), or several, of which one must fit.
    The webhook may be `tolerance` seconds old or ahead of the clock (None: of any
    age); `now`, in seconds since 1970, stands in for the clock.

    Returns the parsed JSON. For a sink of format `batch` that is
    `{"run": {"id", "name"}, "updates": [...]}`, where `Update.from_json` reads each
    update; for `tes`, `{"id", "state"}`; for `cloudevents`, the event.

    Raises `InvalidSignature` where it is not to be trusted: answer 400 or 401 then.
    Raises `ValueError` where a secret is none, which is the receiver's own fault.
    """
    keys = _keys(secrets)
    content = body.encode() if isinstance(body, str) else body
    found = {name.lower(): value for name, value in headers.items()}
    message_id = _header(found, "webhook-id")
    timestamp = _header(found, "webhook-timestamp")
    shown = _header(found, "webhook-signature").split()
    if tolerance is not None:
        _check_age(timestamp, tolerance, time.time() if now is None else now)
    expected = [_signature(key, message_id, timestamp, content) for key in keys]
    # A list, not a generator: all are compared, however early one fits.
    if not any([_is_same(one, other) for one in expected for other in shown]):  # noqa: C419
        raise InvalidSignature("no signature fits: another secret, or the body was changed")
    try:
        return json.loads(content)
    except ValueError:
        raise InvalidSignature("the signature fits, but the body is not JSON") from None


def sign(message_id: str, timestamp: int, body: Union[str, bytes], secret: str) -> str:
    """What `webhook-signature` says for a message sent at `timestamp` (seconds since 1970)."""
    content = body.encode() if isinstance(body, str) else body
    (key,) = _keys(secret)
    return _signature(key, message_id, str(timestamp), content)


def webhook_headers(
    message_id: str, timestamp: int, body: Union[str, bytes], secret: str
) -> Dict[str, str]:
    """The headers by which `verify` trusts a message; a repeat has the same `message_id`."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(message_id, timestamp, body, secret),
    }


def _signature(key: bytes, message_id: str, timestamp: str, content: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "surrogateescape") + content
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _is_same(one: str, other: str) -> bool:
    # Bytes, for compare_digest takes no text that is not ASCII, and anybody can send some.
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogateescape"))


def _keys(secrets: Union[str, Sequence[str]]) -> List[bytes]:
    given = [secrets] if isinstance(secrets, str) else list(secrets)
    if not given:
        raise ValueError("at least one secret is needed")
    return [_key(secret) for secret in given]


def _key(secret: str) -> bytes:
    text = secret[len(_PREFIX) :] if secret.startswith(_PREFIX) else secret
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    # Everybody can sign with the empty key. The message must not tell the secret.
    if not key:
        raise ValueError("a secret is `whsec_` and base64, as the service showed it")
    return key


def _header(headers: Dict[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise InvalidSignature(f"there is no {name} header")
    return value


def _check_age(timestamp: str, tolerance: float, now: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _TIMESTAMP_DIGITS):
        raise InvalidSignature("webhook-timestamp is not a number of seconds")
    age = now - int(timestamp)
    if age > tolerance:
        raise InvalidSignature(f"it was sent {age:.0f} seconds ago: too old")
    if -age > tolerance:
        raise InvalidSignature(f"it was sent {-age:.0f} seconds ahead of this clock")
