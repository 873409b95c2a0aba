"""Bytes as text that travels in URLs: cursors and page tokens, opaque to those who carry them."""

import base64


def written(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read(text: str) -> bytes:
    """Raises `ValueError` where it is not what `written` writes."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
