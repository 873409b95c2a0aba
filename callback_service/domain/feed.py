"""A reader's place in the changes of a run's tasks.

Changes are read in the order of their stamps, but a change may become visible a
little after a later one: its stamp is taken before its write. So a place keeps,
for the last `SETTLING`, what it has seen there, and looks at that stretch again.
"""

import hashlib
import struct
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from callback_service.domain import opaque
from callback_service.domain.delivery import Item
from callback_service.domain.errors import InvalidInput
from callback_service.domain.task import Task

# Longer than a write may take to be confirmed (`database.timeout` is bounded for it) and clocks to
# differ, together.
SETTLING = timedelta(seconds=3)
# What fits into a URL that common proxies let pass.
SEEN_LIMIT = 400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD = struct.Struct(">BQQH")
_ENTRY = struct.Struct(">5sI")
_VERSION = 1


def _short(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:5]


@dataclass(frozen=True, slots=True)
class Place:
    """Everything up to (`since`, `after`) is read; of what follows, `seen` up to a `seq`.

    A task that changes while a reader is behind moves away from before it to the end, and what it
    was told before goes with it: only what is not newer than `shown_until` is known to be shown.
    """

    since: datetime = _EPOCH
    after: str = ""
    seen: Mapping[bytes, int] = field(default_factory=dict)
    shown_until: datetime = _EPOCH

    def new_items(self, task: Task, run_id: str) -> list[Item]:
        """What the reader has not been shown of a task that changed after this place."""
        known = self.seen.get(_short(str(task.key)), 0)
        joined = task.joined.get(run_id, _EPOCH)
        return [
            Item(task.key, update, task.previous(update))
            for update in task.history
            if update.seq > known and max(update.at, joined) > self.shown_until
        ]

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be shown before what was seen has settled."""
        return len(self.seen) >= SEEN_LIMIT

    def moved(self, read: Sequence[Task], now: datetime, *, is_end: bool) -> Self:
        """The place after `read`: the tasks that changed after it, longest unchanged first.

        `now` is a time before they were read, `is_end` whether there were no more of them.
        """
        passed = read[: _settled(read, now)]
        since, after = (
            (_stamp(passed[-1]), str(passed[-1].key)) if passed else (self.since, self.after)
        )
        shown_until = since if is_end else self.shown_until
        return type(self)(since, after, _seen(read[len(passed) :]), shown_until)

    def encode(self) -> str:
        after = self.after.encode()
        times = _millis(self.since), _millis(self.shown_until)
        head = _HEAD.pack(_VERSION, *times, len(after)) + after
        body = b"".join(_ENTRY.pack(short, seq) for short, seq in self.seen.items())
        return opaque.written(head + body)

    @classmethod
    def decode(cls, cursor: str) -> Self:
        """Raises `InvalidInput` where the cursor is none that this service gave out."""
        try:
            raw = opaque.read(cursor)
            version, since, shown_until, length = _HEAD.unpack_from(raw)
            after, body = raw[_HEAD.size : _HEAD.size + length], raw[_HEAD.size + length :]
            seen: dict[bytes, int] = dict(_ENTRY.iter_unpack(body))
            place = cls(_time(since), after.decode(), seen, _time(shown_until))
        except (ValueError, OverflowError, struct.error):
            raise _no_cursor() from None
        if version != _VERSION or len(after) < length:
            raise _no_cursor()
        return place


def rememberable(read: Sequence[Task], now: datetime) -> Sequence[Task]:
    """As many of the tasks as a place can pass or remember; the rest is read when they settled."""
    return read[: _settled(read, now) + SEEN_LIMIT]


def _no_cursor() -> InvalidInput:
    """A new one each time: an exception keeps the frames of every time that it was raised."""
    return InvalidInput(
        "after", "is not a cursor of this service; leave it out to begin at the start"
    )


def _settled(read: Sequence[Task], now: datetime) -> int:
    return bisect_right(read, now - SETTLING, key=_stamp)


def _millis(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _time(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)


def _stamp(task: Task) -> datetime:
    return task.updated_at or _EPOCH


def _seen(tasks: Iterable[Task]) -> dict[bytes, int]:
    return {_short(str(task.key)): task.seq for task in tasks}
