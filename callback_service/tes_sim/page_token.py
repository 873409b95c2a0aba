"""Page tokens: opaque to callers, and good for as long as the server runs."""

import base64

from callback_service.tes_sim.reply import Refused

_WORD = "before"


def write(number: int) -> str:
    """For the page after the one that ends with this task."""
    return base64.urlsafe_b64encode(f"{_WORD} {number}".encode()).decode()


def read(token: str | None) -> int | None:
    if not token:
        return None
    try:
        word, number = base64.urlsafe_b64decode(token).decode().split()
        if word == _WORD:
            return int(number)
    except ValueError:
        pass
    raise Refused(400, "page_token: not one of this server's")
