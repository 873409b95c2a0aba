"""The one sender that the deliverer knows: each sink has its own behind it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from callback_service.domain.delivery import Answer, Item
from callback_service.domain.run import Failing, Run
from callback_service.domain.sink import Sink
from callback_service.relay.ports import Sender


class SenderBySink:
    """Hands on to the sender for the type of the sink."""

    def __init__(self, senders: Mapping[type[Sink], Sender]) -> None:
        self._senders = senders

    async def send(
        self, run: Run, sink: Sink, webhook_id: str, items: Sequence[Item], at: datetime
    ) -> Answer:
        sender = self._senders.get(type(sink))
        if sender is None:
            return _unserved(sink)
        return await sender.send(run, sink, webhook_id, items, at)

    async def fail(
        self, run: Run, sink: Sink, webhook_id: str, failing: Failing, at: datetime
    ) -> Answer:
        sender = self._senders.get(type(sink))
        if sender is None:
            return _unserved(sink)
        return await sender.fail(run, sink, webhook_id, failing, at)


def _unserved(sink: Sink) -> Answer:
    return Answer(error=f"this service has no sender for a {type(sink).__name__}")
