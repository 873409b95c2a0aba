"""Where the service is, and what it is shown: as a caller says it, or the environment."""

from __future__ import annotations

import os
from typing import Optional
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:8080"


def service_url(url: Optional[str] = None) -> str:
    """Without a slash at its end. Raises `ValueError` where it is no http or https URL."""
    if url is None:
        url = os.environ.get("CALLBACK_SERVICE_URL") or DEFAULT_URL
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"the URL of the service must be an http or https URL: {url!r}")
    return url.rstrip("/")


def service_token(token: Optional[str] = None) -> str:
    """Empty where nothing is shown. Raises `ValueError`, without the token in its message."""
    if token is None:
        token = os.environ.get("CALLBACK_API_TOKEN", "")
    token = token.strip()
    # Checked here, for what http.client raises later has the token in its message.
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError("a token has no spaces, line breaks or characters beyond ASCII")
    return token
