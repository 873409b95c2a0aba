"""Which faults there are right now, and whether the server is there at all."""

from datetime import UTC, datetime, timedelta

from callback_service.tes_sim.faults import Faults

_NEVER = datetime.max.replace(tzinfo=UTC)


class Troubles:
    def __init__(self) -> None:
        self.faults = Faults()
        self._until = _NEVER
        self._hits_left: int | None = None
        self._down_until: datetime | None = None

    def set(self, faults: Faults, now: datetime) -> None:
        self.faults, self._hits_left = faults, faults.times
        lasting = faults.lasting
        self._until = _NEVER if lasting is None else now + timedelta(seconds=lasting)

    def hit(self, operation: str, now: datetime) -> Faults | None:
        """The faults where they hit this request; they hit as often only as they say."""
        is_hit = self.faults.hits_requests and self.faults.on.hits(operation)
        if not is_hit or now >= self._until or self._hits_left == 0:
            return None
        if self._hits_left is not None:
            self._hits_left -= 1
        return self.faults

    def go_down(self, until: datetime) -> None:
        self._down_until = until

    def is_down(self, at: datetime) -> bool:
        return self._down_until is not None and at < self._down_until
