from datetime import datetime

from callback_service.relay.ports import IMPLAUSIBLE
from tests.fakes.store.fake_store import FakeStore


class FakeTicks(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, datetime] = {}

    def claim(self, name: str, now: datetime, next_at: datetime) -> bool:
        with self._open():
            claimed = self._next.get(name, now)
            is_due = claimed <= now or claimed > now + IMPLAUSIBLE * (next_at - now)
            if is_due:
                self._next[name] = next_at
            return is_due
