"""Answers before the answer (1xx, RFC 9110): they are skipped."""

import http.client
from http import HTTPStatus

from callback_service.adapters.tes_server.unusable import Unusable

# A server that sends nothing else, and that fast, would let nobody else have a turn.
_MOST = 10


class AwaitedResponse(http.client.HTTPResponse):
    """`http.client` skips 100 only, and that for ever."""

    def _read_status(self) -> tuple[str, int, str]:
        """Overrides what `begin` reads the first line by, after which it reads the headers."""
        for _ in range(_MOST + 1):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not public
            if line[1] >= 200 or line[1] == HTTPStatus.SWITCHING_PROTOCOLS:
                return line
            http.client.parse_headers(self.fp)
        raise Unusable(f"answered more than {_MOST} times that it will answer")
