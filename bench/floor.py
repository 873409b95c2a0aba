"""What the database would allow: the same writes, each by itself, without a service around them."""

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.write_concern import WriteConcern

from bench.plan import Window

_DURABLE = WriteConcern("majority", j=True)


@dataclass(frozen=True, slots=True)
class Floor:
    """As many threads as the service has connections, each with the writes of its own tasks."""

    uri: str
    name: str
    states: Sequence[str]
    threads: int
    window: Window

    def run(self) -> int:
        """How many writes were acknowledged within the window."""
        with MongoClient[dict[str, Any]](self.uri) as client:
            documents = client[self.name].get_collection("floor", write_concern=_DURABLE)
            with ThreadPoolExecutor(self.threads) as pool:
                return sum(pool.map(lambda _: self._write(documents), range(self.threads)))

    def _write(self, documents: Collection[dict[str, Any]]) -> int:
        written = 0
        while time.monotonic() < self.window.ends:
            task = uuid.uuid4().hex
            for seq, state in enumerate(self.states, start=1):
                _write_one(documents, task, seq, state)
                written += self.window.holds(time.monotonic())
        return written


def run_floor(pipe: Connection, floor: Floor) -> None:
    pipe.send(floor.run())


def _write_one(documents: Collection[dict[str, Any]], key: str, seq: int, state: str) -> None:
    """As large as a task, and changed as a task is; no index but the one that everything has."""
    move = {"seq": seq, "state": state, "source": "callback"}
    if seq == 1:
        task = {"_id": key, "state": state, "seq": seq, "rev": seq, "history": [move]}
        documents.insert_one({**task, "owner": "local", "server": "default", "owed": []})
        return
    documents.update_one(
        {"_id": key, "rev": seq - 1},
        {"$set": {"state": state, "seq": seq, "rev": seq}, "$push": {"history": move}},
    )
