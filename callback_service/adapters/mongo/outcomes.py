"""What became of requests that clients repeat, in MongoDB."""

from datetime import datetime

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.documents.outcome import from_outcome, to_outcome
from callback_service.domain.outcome import Outcome, likeliest


class MongoOutcomes:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # One that is lost lets a repeat through, and a task is made twice.
        self._outcomes = connection.durable["outcomes"]
        # Who took it may be lost: then it is taken once more, and nothing is made.
        self._light = connection.light["outcomes"]

    def keep(self, outcome: Outcome) -> None:
        with self._connection.guarded():
            self._outcomes.update_one(
                {"_id": outcome.id}, {"$set": from_outcome(outcome)}, upsert=True
            )

    def drop(self, outcome_id: str) -> None:
        with self._connection.guarded():
            self._light.delete_one({"_id": outcome_id})

    def take(self, digest: str, rank: int, since: datetime) -> Outcome | None:
        left = {
            "digest": digest,
            "at": {"$gte": since},
            "rank": {"$lt": rank},
            "taken": {"$ne": rank},
        }
        while True:
            with self._connection.guarded():
                meant = likeliest(map(to_outcome, self._outcomes.find(left)))
            if meant is None or meant.is_open or self._is_taken_by(meant.id, rank):
                return meant

    def note_taken(self, outcome_id: str, rank: int) -> None:
        self._is_taken_by(outcome_id, rank)

    def _is_taken_by(self, outcome_id: str, rank: int) -> bool:
        """False where another one was faster."""
        with self._connection.guarded():
            taken = self._light.update_one(
                {"_id": outcome_id, "taken": {"$ne": rank}}, {"$push": {"taken": rank}}
            )
        return taken.matched_count == 1

    def forget(self, before: datetime) -> int:
        return self._connection.delete_all(self._outcomes, {"at": {"$lt": before}})
