"""Below which path each server answers: found once, and remembered."""

import threading
from concurrent.futures import Future
from typing import NamedTuple

from callback_service.adapters.tes_server.exchange import Exchange
from callback_service.adapters.tes_server.failures import late
from callback_service.adapters.tes_server.probing import Base, Probe, look
from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server


class _Finding(NamedTuple):
    """Somebody is looking, or has looked, for the base of a server registered with this URL."""

    url: str
    base: Future[Base]

    @property
    def is_done(self) -> bool:
        return self.base.done()

    def is_good(self, doubtful_for: float) -> bool:
        """Whether it need not be looked for (again)."""
        if not self.is_done:
            return True
        if self.base.exception():
            return False
        return self.base.result().is_sure or self.base.result().age < doubtful_for


class Bases:
    """Of those who want to know a base at the same time, one looks and the others wait.

    `doubtful_for` is how long is believed that a server answers nowhere, or lets nobody in;
    `missed_for`, how long a base is used where things are not found, which may well not be there.
    Both in seconds.
    """

    def __init__(self, doubtful_for: float = 5.0, missed_for: float = 60.0) -> None:
        self._doubtful_for = doubtful_for
        self._missed_for = missed_for
        self._findings: dict[str, _Finding] = {}
        self._lock = threading.Lock()

    def of(self, server: Server, probe: Probe, exchange: Exchange) -> str:
        """A URL without a slash at its end. Raises `ServerFailed`."""
        if server.url.endswith("/v1"):
            return server.url
        with self._lock:
            finding = self._findings.get(server.key)
            is_found = finding and finding.url == server.url and finding.is_good(self._doubtful_for)
            if finding is None or not is_found:
                finding = self._findings[server.key] = _Finding(server.url, Future())
        if not is_found:
            _fulfil(finding, server, probe, exchange)
        return _awaited(finding, server, exchange)

    def doubt(self, server: Server) -> None:
        """The server could not be reached: when it is back, it may be another one."""
        with self._lock:
            finding = self._findings.get(server.key)
            if finding and finding.is_done:
                del self._findings[server.key]

    def miss(self, server: Server) -> None:
        """The server knows no such thing, and may know it below another base, or nowhere."""
        with self._lock:
            finding = self._findings.get(server.key)
            if finding is None or not finding.is_done or finding.base.exception():
                return
            if finding.base.result().age > self._missed_for:
                del self._findings[server.key]


def _fulfil(finding: _Finding, server: Server, probe: Probe, exchange: Exchange) -> None:
    try:
        finding.base.set_result(look(server, probe, exchange))
    except ServerFailed as failure:
        finding.base.set_exception(failure)
    except BaseException:
        # Whoever waits must not wait for ever.
        finding.base.set_exception(ServerFailed(f"looking for {server.key} was broken off"))
        raise


def _awaited(finding: _Finding, server: Server, exchange: Exchange) -> str:
    try:
        base = finding.base.result(exchange.left())
    except ServerFailed as failure:
        # Each who waited gets one of its own: an exception collects the frames of its raisers.
        raise ServerFailed(str(failure), is_late=failure.is_late) from failure.__cause__
    except TimeoutError:
        raise late(server.key, exchange) from None
    if base.error:
        raise ServerFailed(base.error)
    return base.url
