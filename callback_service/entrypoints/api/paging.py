"""Page tokens: opaque to callers, the key of a page's last entry to us."""

from callback_service.domain import opaque
from callback_service.domain.errors import InvalidInput


def page_token(last: str) -> str:
    return opaque.written(last.encode())


def last_of(token: str | None) -> str | None:
    """Raises `InvalidInput` for a token that is none of ours."""
    if not token:
        return None
    try:
        return opaque.read(token).decode()
    except ValueError:
        raise InvalidInput(
            "page_token", "is not a page token of this service; leave it out to begin anew"
        ) from None
