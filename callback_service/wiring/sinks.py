"""What runs are told by, whatever their sinks."""

from callback_service import config
from callback_service.adapters.cwl_wes_sink import CwlWesRuns, CwlWesSender, Target
from callback_service.adapters.http_sink import HttpSender
from callback_service.config import targets
from callback_service.config.settings import Settings
from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.sink import CwlWesSink, HttpSink, WesSink
from callback_service.relay.by_sink import SenderBySink


class Sinks:
    """The senders of a worker; open and close them in the loop that they send in."""

    def __init__(self, settings: Settings) -> None:
        """Raises `ConfigError` where the URI of a target cannot be had."""
        self._http = HttpSender(
            AddressPolicy(settings.egress.allow),
            connect_timeout=settings.delivery.connect_timeout,
            total_timeout=settings.delivery.total_timeout,
        )
        targets = _targets(settings)
        self._cwl_wes = CwlWesSender(targets)
        self.wes_runs = CwlWesRuns(targets)
        self.sender = SenderBySink(
            {HttpSink: self._http, WesSink: self._http, CwlWesSink: self._cwl_wes}
        )

    async def open(self) -> None:
        await self._http.open()

    async def close(self) -> None:
        await self._http.close()
        await self._cwl_wes.close()


def wes_runs(settings: Settings) -> CwlWesRuns:
    """For a process that does not tell them. Raises as `Sinks`."""
    return CwlWesRuns(_targets(settings))


def _targets(settings: Settings) -> dict[str, Target]:
    known = targets.resolved(settings.cwl_wes.targets, config.environment())
    return {
        name: Target(
            target.uri,
            target.database,
            target.collection,
            timeout=settings.cwl_wes.timeout,
            connections=settings.cwl_wes.connections,
        )
        for name, target in known.items()
    }
