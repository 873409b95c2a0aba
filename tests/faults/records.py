"""What each side writes down: senders, database, receivers. Times are on the monotonic clock."""

from typing import NamedTuple


class Attempt(NamedTuple):
    """One POST of a callback, as its sender saw it. `status` is 0 where no answer came.

    `is_cut`: none came to what had been sent. `later`: what it was told to wait, in seconds.
    """

    run: str
    task: str
    state: str
    sent_at: float
    answered_at: float
    status: int
    is_cut: bool = False
    later: float = 0.0

    @property
    def is_acknowledged(self) -> bool:
        return self.status == 204


class Move(NamedTuple):
    """One entry of a task's history in the database."""

    seq: int
    state: str
    source: str = "callback"
    at: float = 0.0


class Stored(NamedTuple):
    """What the database says of a task: `delivered` is how far each run was told.

    `confirmed_at` is when its server was asked that said so last.
    """

    task: str
    runs: tuple[str, ...]
    history: tuple[Move, ...]
    delivered: dict[str, int]
    owed: tuple[str, ...]
    confirmed_at: float | None = None


class Told(NamedTuple):
    """One update in a delivery."""

    task: str
    seq: int
    state: str


class Delivery(NamedTuple):
    """One POST to a receiver, and what the receiver answered; `status` is 0 where it hung up."""

    at: float
    run: str
    webhook_id: str
    status: int
    is_signed: bool
    updates: tuple[Told, ...]

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.status < 300


class Turn(NamedTuple):
    """A state that a task has, or is believed to have, from then on."""

    at: float
    state: str


class Truth(NamedTuple):
    """What really became of a task, as its own server has it."""

    task: str
    run: str
    turns: tuple[Turn, ...]


class Asked(NamedTuple):
    """A read that a TES server answered: of one task, or a list."""

    at: float
    task: str | None
