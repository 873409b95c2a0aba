"""The book of one task as one run is to know it: what is wrong in it, if anything."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.faults.records import Attempt, Delivery, Move, Stored, Told


@dataclass(frozen=True, slots=True)
class Book:
    """`attempts` in the order in which they were sent, `deliveries` in that of their answers."""

    run: str
    task: str
    attempts: Sequence[Attempt] = ()
    stored: Stored | None = None
    deliveries: Sequence[Delivery] = ()

    @property
    def acknowledged(self) -> list[Attempt]:
        return [one for one in self.attempts if one.is_acknowledged]

    @property
    def history(self) -> Sequence[Move]:
        return self.stored.history if self.stored else ()

    @property
    def accepted(self) -> list[tuple[Delivery, Told]]:
        """The updates that the receiver took, repeats included."""
        return [
            (delivery, told)
            for delivery in self.deliveries
            if delivery.is_accepted
            for told in delivery.updates
            if told.task == self.task
        ]

    @property
    def told(self) -> set[int]:
        return {told.seq for _, told in self.accepted}

    @property
    def repeated(self) -> int:
        return len(self.accepted) - len(self.told)

    def lost(self) -> list[str]:
        """States that were acknowledged and are not in the history, in their order."""
        lost, place = [], 0
        for state in _moves(self.acknowledged):
            found = _find(state, self.history, place)
            if found is None:
                lost.append(state)
            else:
                place = found + 1
        return lost

    def untold(self) -> list[Move]:
        told = self.told
        return [move for move in self.history if move.seq not in told]

    def out_of_order(self) -> list[str]:
        """A run must see every `seq` once those before it were seen, and always the same state."""
        return list(_disorder(told for _, told in self.accepted))

    def strange(self) -> list[str]:
        """What is stored or told although nobody sent it: the books do not balance."""
        stored = {(move.seq, move.state) for move in self.history}
        unknown = [told for _, told in self.accepted if (told.seq, told.state) not in stored]
        return [
            *(f"seq {told.seq} {told.state} was told, and is not stored" for told in unknown),
            *(f"{state} is stored, and nobody sent it" for state in self._unexplained()),
        ]

    def _unexplained(self) -> list[str]:
        """Moves beyond those that were acknowledged come from attempts whose answers were lost."""
        if not self.attempts:
            return []
        believed = Counter(move.state for move in self.history if move.source == "callback")
        sent = Counter(one.state for one in self.attempts)
        return sorted((believed - sent).elements())

    def renamed(self) -> list[str]:
        """Updates that were told again under another webhook id."""
        ids: dict[Told, str] = {}
        return [
            f"seq {told.seq} came as {ids[told]} and as {delivery.webhook_id}"
            for delivery, told in self.accepted
            if ids.setdefault(told, delivery.webhook_id) != delivery.webhook_id
        ]


def _moves(attempts: Iterable[Attempt]) -> list[str]:
    """A repeat of a state is no move."""
    return [state for state, _ in groupby(attempts, key=lambda one: one.state)]


def _find(state: str, history: Sequence[Move], place: int) -> int | None:
    """One that is lost keeps nobody from finding the next."""
    return next((at for at in range(place, len(history)) if history[at].state == state), None)


def _disorder(told: Iterable[Told]) -> Iterator[str]:
    last, states = 0, dict[int, str]()
    for one in told:
        if one.seq > last + 1:
            yield f"seq {one.seq} came after {last}"
        if states.setdefault(one.seq, one.state) != one.state:
            yield f"seq {one.seq} was {states[one.seq]}, and then {one.state}"
        last = max(last, one.seq)
