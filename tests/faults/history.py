"""Everything that is known of one task, from every side, in the order in which it happened."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.faults.book import Book


class Event(NamedTuple):
    at: float
    side: str
    text: str


def tell(book: Book, began: float) -> str:
    """Seconds are since `began`; what the database says comes last, for it has no such time."""
    lines = [f"Task {book.task} of run {book.run}:"]
    events = sorted([*_sent(book), *_received(book)])
    lines += [f"  {at - began:8.3f} s  {side:<9} {text}" for at, side, text in events]
    lines += [f"  at the end  {text}" for text in _stored(book)]
    lines += [f"  wrong       {text}" for text in _wrong(book)]
    return "\n".join(lines)


def _sent(book: Book) -> Iterator[Event]:
    for one in book.attempts:
        answer = one.status or "no answer"
        took = (one.answered_at - one.sent_at) * 1000
        yield Event(one.sent_at, "sender", f"POST {one.state}: {answer} after {took:.0f} ms")


def _received(book: Book) -> Iterator[Event]:
    for one in book.deliveries:
        updates = ", ".join(
            f"{told.seq} {told.state}" for told in one.updates if told.task == book.task
        )
        others = len(one.updates) - len([told for told in one.updates if told.task == book.task])
        among = f" among {others} others" if others else ""
        signed = "" if one.is_signed else ", not signed rightly"
        text = f"{one.webhook_id}: {updates}{among}; answered {one.status or 'nothing'}{signed}"
        yield Event(one.at, "receiver", text)


def _stored(book: Book) -> Iterator[str]:
    if book.stored is None:
        yield "database: there is no such task"
        return
    moves = ", ".join(f"{move.seq} {move.state} ({move.source})" for move in book.history)
    yield f"database: {moves}"
    delivered = book.stored.delivered.get(book.run, 0)
    owed = "owed more" if book.run in book.stored.owed else "owed nothing"
    yield f"database: the run was told up to {delivered} and is {owed}"


def _wrong(book: Book) -> Iterator[str]:
    yield from (f"{state} was acknowledged, and is not stored" for state in book.lost())
    yield from (f"{move.seq} {move.state} was not told" for move in book.untold())
    yield from book.out_of_order()
    yield from book.strange()
    yield from book.renamed()
