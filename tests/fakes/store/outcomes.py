from datetime import datetime

from callback_service.domain.outcome import Outcome, likeliest
from tests.fakes.store.fake_store import FakeStore


class FakeOutcomes(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, Outcome] = {}
        self._taken: set[tuple[str, int]] = set()

    @property
    def all(self) -> list[Outcome]:
        return list(self._kept.values())

    def keep(self, outcome: Outcome) -> None:
        with self._open():
            self._kept[outcome.id] = outcome

    def drop(self, outcome_id: str) -> None:
        with self._open():
            self._kept.pop(outcome_id, None)

    def take(self, digest: str, rank: int, since: datetime) -> Outcome | None:
        with self._open():
            meant = likeliest(
                outcome
                for outcome in self._kept.values()
                if outcome.digest == digest
                and outcome.at >= since
                and outcome.rank < rank
                and (outcome.id, rank) not in self._taken
            )
            if meant and not meant.is_open:
                self._taken.add((meant.id, rank))
            return meant

    def note_taken(self, outcome_id: str, rank: int) -> None:
        with self._open():
            self._taken.add((outcome_id, rank))

    def forget(self, before: datetime) -> int:
        with self._open():
            number = len(self._kept)
            self._kept = {key: one for key, one in self._kept.items() if one.at >= before}
            return number - len(self._kept)
