"""What became of requests that clients repeat, in MongoDB."""

from datetime import datetime

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.documents.outcome import from_outcome, to_outcome
from callback_service.relay.ports import Outcome

_OLDEST_FIRST = [("at", 1), ("_id", 1)]


class MongoOutcomes:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # One that is lost lets a repeat through, and a task is made twice.
        self._outcomes = connection.durable["outcomes"]
        # Who took it may be lost: then it is taken once more, and nothing is made.
        self._takings = connection.light["outcomes"]

    def keep(self, outcome: Outcome) -> None:
        with self._connection.guarded():
            self._outcomes.insert_one(from_outcome(outcome))

    def take(self, digest: str, rank: int, since: datetime) -> Outcome | None:
        left = {
            "digest": digest,
            "at": {"$gte": since},
            "rank": {"$lt": rank},
            "taken": {"$ne": rank},
        }
        with self._connection.guarded():
            taken = self._takings.find_one_and_update(
                left, {"$push": {"taken": rank}}, sort=_OLDEST_FIRST
            )
        return to_outcome(taken) if taken else None

    def forget(self, before: datetime) -> int:
        return self._connection.delete_all(self._outcomes, {"at": {"$lt": before}})
