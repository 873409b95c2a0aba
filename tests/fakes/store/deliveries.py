from collections.abc import Sequence
from datetime import datetime

from callback_service.domain.delivery import Attempt, DeadLetter
from callback_service.domain.task import TaskKey
from tests.fakes.store.fake_store import FakeStore


class FakeDeliveryLog(FakeStore):
    def __init__(self) -> None:
        super().__init__()
        self.attempts: list[Attempt] = []
        self._letters: dict[tuple[str, TaskKey, int], DeadLetter] = {}

    @property
    def letters(self) -> list[DeadLetter]:
        return list(self._letters.values())

    def add(self, attempts: Sequence[Attempt]) -> None:
        with self._open():
            self.attempts += attempts

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        with self._open():
            for letter in letters:
                key, update, _ = letter.item
                self._letters[letter.run_id, key, update.seq] = letter

    def of_run(self, run_id: str, before: datetime | None, limit: int) -> list[Attempt]:
        with self._open():
            found = [
                attempt
                for attempt in reversed(self.attempts)
                if attempt.run_id == run_id and (before is None or attempt.at < before)
            ]
        return sorted(found, key=lambda attempt: attempt.at, reverse=True)[:limit]

    def dead_letters(self, run_id: str) -> int:
        with self._open():
            return sum(letter.run_id == run_id for letter in self.letters)

    def forget(self, before: datetime) -> int:
        with self._open():
            number = len(self.attempts) + len(self._letters)
            self.attempts = [attempt for attempt in self.attempts if attempt.at >= before]
            self._letters = {
                key: letter for key, letter in self._letters.items() if letter.at >= before
            }
            return number - len(self.attempts) - len(self._letters)
