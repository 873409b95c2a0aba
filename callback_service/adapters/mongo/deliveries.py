"""The log of attempts, and the dead letters, in MongoDB."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import ReplaceOne

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents.delivery import (
    from_attempt,
    from_letter,
    to_attempt,
)
from callback_service.domain.delivery import Attempt, DeadLetter


class MongoDeliveryLog:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # A line of the log may be lost. A letter is all that is left of its update.
        self._deliveries = connection.light["deliveries"]
        self._letters = connection.durable["dead_letters"]

    def add(self, attempts: Sequence[Attempt]) -> None:
        if attempts:
            with self._connection.guarded():
                self._deliveries.insert_many([from_attempt(attempt) for attempt in attempts])

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        documents = [from_letter(letter) for letter in letters]
        if documents:
            with self._connection.guarded():
                self._letters.bulk_write([_put(document) for document in documents], ordered=False)

    def of_run(self, run_id: str, before: datetime | None, limit: int) -> list[Attempt]:
        wanted: Document = {"run_id": run_id}
        if before is not None:
            wanted["at"] = {"$lt": before}
        newest_first = [("at", -1), ("_id", -1)]
        with self._connection.guarded():
            found = self._deliveries.find(wanted).sort(newest_first).limit(limit)
            return [to_attempt(document) for document in found]

    def dead_letters(self, run_id: str) -> int:
        with self._connection.guarded():
            return self._letters.count_documents({"run_id": run_id})

    def forget(self, before: datetime) -> int:
        old = {"at": {"$lt": before}}
        return sum(
            self._connection.delete_all(collection, old)
            for collection in (self._deliveries, self._letters)
        )


def _put(document: Document) -> ReplaceOne[Document]:
    return ReplaceOne({"_id": document["_id"]}, document, upsert=True)
