"""The books of a whole run: every callback in exactly one place, or the run is void."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.faults.book import Book
from tests.faults.records import Attempt, Delivery, Stored


@dataclass(frozen=True, slots=True)
class Totals:
    """`sent` are POSTs; `stored` moves are counted once for each run that follows their task."""

    tasks: int
    sent: int
    acknowledged: int
    refused: int
    unanswered: int
    stored: int
    told: int
    repeated: int
    lost: int
    untold: int
    out_of_order: int
    strange: int
    unsigned: int
    renamed: int


@dataclass(frozen=True, slots=True)
class Ledger:
    books: Sequence[Book]
    deliveries: Sequence[Delivery]

    def totals(self) -> Totals:
        attempts = [one for book in self.books for one in book.attempts]
        statuses = [one.status for one in attempts]
        return Totals(
            tasks=len({book.task for book in self.books}),
            sent=len(attempts),
            acknowledged=sum(one.is_acknowledged for one in attempts),
            refused=sum(status not in {0, 204} for status in statuses),
            unanswered=statuses.count(0),
            stored=sum(len(book.history) for book in self.books),
            told=sum(len(book.told) for book in self.books),
            repeated=sum(book.repeated for book in self.books),
            lost=sum(len(book.lost()) for book in self.books),
            untold=sum(len(book.untold()) for book in self.books),
            out_of_order=sum(len(book.out_of_order()) for book in self.books),
            strange=sum(len(book.strange()) for book in self.books),
            unsigned=sum(not one.is_signed for one in self.deliveries),
            renamed=sum(len(book.renamed()) for book in self.books),
        )

    def imbalances(self, sent: int, delivered: int) -> list[str]:
        """`sent` and `delivered` as senders and receivers counted them while they were at it."""
        totals = self.totals()
        sides = [
            ("sent", sent, totals.acknowledged + totals.refused + totals.unanswered),
            ("delivered", delivered, len(self.deliveries)),
            ("stored", totals.stored, totals.told + totals.untold),
        ]
        unequal = [f"{name}: {left} != {right}" for name, left, right in sides if left != right]
        return unequal + [f"{book.task}: {one}" for book in self.books for one in book.strange()]

    def suspects(self) -> Iterator[Book]:
        """The books in which something is wrong, or may be."""
        for book in self.books:
            if book.lost() or book.untold() or book.out_of_order() or book.strange():
                yield book
        yield from (book for book in self.books if book.renamed())


def open_ledger(
    attempts: Iterable[Attempt],
    stored: Iterable[Stored],
    deliveries: Sequence[Delivery],
    new_book: type[Book] = Book,
) -> Ledger:
    """A book for each task and each run that it was sent for, that follows it or was told of it."""
    documents = {one.task: one for one in stored}
    sent, told = defaultdict(list), defaultdict(list)
    for attempt in attempts:
        sent[attempt.run, attempt.task].append(attempt)
    for delivery in deliveries:
        for task in {update.task for update in delivery.updates}:
            told[delivery.run, task].append(delivery)
    followed = {(run, one.task) for one in documents.values() for run in one.runs}
    return Ledger(
        [
            new_book(run, task, sent[run, task], documents.get(task), told[run, task])
            for run, task in sorted(followed | sent.keys() | told.keys())
        ],
        deliveries,
    )
