"""Page tokens: opaque to callers, the key of a page's last entry to us."""

import base64
import binascii

from callback_service.domain.errors import InvalidInput


def page_token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def last_of(token: str | None) -> str | None:
    """Raises `InvalidInput` for a token that is none of ours."""
    if not token:
        return None
    try:
        padded = token + "=" * (-len(token) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidInput(
            "page_token", "is not a page token of this service; leave it out to begin anew"
        ) from None
