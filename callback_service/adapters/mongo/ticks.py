"""Claims of recurring work in MongoDB."""

from datetime import datetime

from pymongo.errors import DuplicateKeyError

from callback_service.adapters.mongo.connection import Connection
from callback_service.relay.ports import IMPLAUSIBLE


class MongoTicks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # A lost claim costs doing the work twice.
        self._ticks = connection.light["ticks"]

    def claim(self, name: str, now: datetime, next_at: datetime) -> bool:
        implausible = now + IMPLAUSIBLE * (next_at - now)
        is_due = [{"next_at": {"$lte": now}}, {"next_at": {"$gt": implausible}}]
        with self._connection.guarded():
            try:
                self._ticks.update_one(
                    {"_id": name, "$or": is_due},
                    {"$set": {"next_at": next_at}},
                    upsert=True,
                )
            except DuplicateKeyError:
                # It is there and not due, so the upsert found nothing and could add nothing.
                return False
        return True
