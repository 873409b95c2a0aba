"""A database of cwl-WES: one pooled client, used by threads of its own."""

import asyncio
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from callback_service.adapters.cwl_wes_sink.document import FIELDS, standing
from callback_service.adapters.cwl_wes_sink.news import News
from callback_service.adapters.cwl_wes_sink.telling import Failure, fail, tell
from callback_service.domain.stuck import WesRun

# Times the timeout that a telling may wait for a thread, while others wait for the database.
_PATIENCE = 3


class Target:
    """Threads of its own, so that a database that is down takes none from others."""

    def __init__(
        self,
        uri: str,
        database: str = "cwl-wes-db",
        collection: str = "runs",
        *,
        timeout: float = 5.0,
        connections: int = 8,
    ) -> None:
        """`timeout` in seconds, for all that one telling asks of the database."""
        self._uri = uri
        self._names = database, collection
        self._timeout = timeout
        self._connections = connections
        self._executor = ThreadPoolExecutor(connections, thread_name_prefix="cwl-wes")
        self._connecting = threading.Lock()
        self._client: MongoClient[dict[str, Any]] | None = None

    async def tell(self, wes_run_id: str, news: Sequence[News]) -> None:
        """Raises `RunLost`, `Contended`, `TimeoutError` or `PyMongoError`."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_PATIENCE * self._timeout):
            await loop.run_in_executor(self._executor, self._tell, wes_run_id, news)

    async def fail(self, wes_run_id: str, failure: Failure) -> None:
        """Raises as `tell` does."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_PATIENCE * self._timeout):
            await loop.run_in_executor(self._executor, self._fail, wes_run_id, failure)

    def look(self, wes_run_ids: Iterable[str]) -> dict[str, WesRun]:
        """In the caller's own thread. Raises `PyMongoError`."""
        with pymongo.timeout(self._timeout):
            wanted = {"run_id": {"$in": sorted(wes_run_ids)}}
            found = self._runs().find(wanted, {"run_id": True, **FIELDS})
            return {document["run_id"]: standing(document) for document in found}

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._client:
            self._client.close()

    def _tell(self, wes_run_id: str, news: Sequence[News]) -> None:
        with pymongo.timeout(self._timeout):
            tell(self._runs(), wes_run_id, news)

    def _fail(self, wes_run_id: str, failure: Failure) -> None:
        with pymongo.timeout(self._timeout):
            fail(self._runs(), wes_run_id, failure)

    def _runs(self) -> Collection[dict[str, Any]]:
        database, collection = self._names
        # Whatever the URI says: it is decided on what the primary has, and told is what is kept.
        return self._connected()[database].get_collection(
            collection,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority", j=True),
        )

    def _connected(self) -> MongoClient[dict[str, Any]]:
        # When it is first needed: what `mongodb+srv` stands for is asked of the DNS.
        with self._connecting:
            if self._client is None:
                self._client = MongoClient(
                    self._uri, maxPoolSize=self._connections, appname="callback-service"
                )
            return self._client
