from dataclasses import dataclass, field
from datetime import datetime

from callback_service.relay.ports import Outcome
from tests.fakes.store.fake_store import FakeStore


@dataclass
class _Kept:
    outcome: Outcome
    taken: set[int] = field(default_factory=set)


class FakeOutcomes(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._kept: list[_Kept] = []

    def keep(self, outcome: Outcome) -> None:
        with self._open():
            self._kept.append(_Kept(outcome))
            self._kept.sort(key=lambda kept: kept.outcome.at)

    def take(self, digest: str, rank: int, since: datetime) -> Outcome | None:
        with self._open():
            for kept in self._kept:
                outcome = kept.outcome
                is_meant = outcome.digest == digest and outcome.at >= since
                if is_meant and outcome.rank < rank and rank not in kept.taken:
                    kept.taken.add(rank)
                    return outcome
            return None

    def forget(self, before: datetime) -> int:
        with self._open():
            number = len(self._kept)
            self._kept = [kept for kept in self._kept if kept.outcome.at >= before]
            return number - len(self._kept)
