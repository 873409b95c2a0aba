"""What a worker remembers of a server: it may forget all of it, and finds it out again."""

from collections.abc import Collection, Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from callback_service.domain.freshness import Patience, Unsettled
from callback_service.domain.task import TaskKey
from callback_service.domain.ways import ITEMS, Way

# A list that was long may be short by then, and a server may have learnt to list.
REMEMBERED = timedelta(minutes=5)
# A server that ignored filters may have been replaced by a newer one.
TRIED_AGAIN = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class PutOff:
    """A task of which the server tells nothing that can be used."""

    until: datetime
    wait: timedelta


@dataclass
class Memory:
    """One server's. `began_at` is since when; its polls follow one another, none run beside it."""

    began_at: datetime
    put_off: dict[TaskKey, PutOff] = field(default_factory=dict)
    _listed: dict[Way, tuple[float, datetime]] = field(default_factory=dict)
    _no_lists_until: datetime | None = None
    # How often in a row lists failed.
    list_failures: int = 0
    tried_at: datetime | None = None

    def lists(self, now: datetime) -> bool:
        return self._no_lists_until is None or now >= self._no_lists_until

    def has_no_lists(self, now: datetime) -> None:
        self._no_lists_until = now + REMEMBERED

    def listed(self, now: datetime) -> dict[Way, float]:
        """What lists cost lately."""
        return {way: cost for way, (cost, at) in self._listed.items() if now - at < REMEMBERED}

    def note_list(self, way: Way, requests: int, items: int, now: datetime) -> None:
        self._listed[way] = requests + items // ITEMS, now

    def should_try_filters(self, now: datetime) -> bool:
        return now - (self.tried_at or self.began_at) > TRIED_AGAIN

    def put_off_until(self, task: Unsettled) -> datetime:
        """Whoever was never put off comes first."""
        noted = self.put_off.get(task.key)
        return noted.until if noted else self.began_at

    def put_tasks_off(self, keys: Collection[TaskKey], now: datetime, patience: Patience) -> None:
        """Each time for twice as long."""
        for key in keys:
            before = self.put_off.get(key)
            wait = min(2 * before.wait if before else patience.fast, patience.slow)
            self.put_off[key] = PutOff(now + wait, wait)

    def put_last(self, keys: Collection[TaskKey], now: datetime, patience: Patience) -> None:
        """It may be one of them why the server failed: next time others are asked for first."""
        for key in keys:
            before = self.put_off.get(key)
            self.put_off[key] = PutOff(now, before.wait if before else patience.fast)

    def keep_only(self, keys: Container[TaskKey]) -> None:
        self.put_off = {key: noted for key, noted in self.put_off.items() if key in keys}
