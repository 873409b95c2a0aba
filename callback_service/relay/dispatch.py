"""Which runs are being told in this worker: many at once, each by one teller."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from callback_service.domain.errors import ServiceError

log = logging.getLogger(__name__)


class Dispatcher:
    """Takes doorbells from any thread and delivers on its event loop.

    A run that is rung while it is being told is looked at once more, and never
    by two at once, however often it is rung. How many are told at once is for
    the deliverer to say.
    """

    def __init__(
        self,
        deliver: Callable[[str], Awaitable[None]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._deliver = deliver
        self._loop = loop
        self._rung_again: dict[str, bool] = {}
        self._tellings: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def ring(self, run_ids: Iterable[str]) -> None:
        self._loop.call_soon_threadsafe(self._take, tuple(run_ids))

    def _take(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            if run_id in self._rung_again:
                self._rung_again[run_id] = True
            elif not self._is_stopping:
                self._rung_again[run_id] = False
                telling = self._loop.create_task(self._tell(run_id))
                self._tellings.add(telling)
                telling.add_done_callback(self._tellings.discard)

    async def _tell(self, run_id: str) -> None:
        try:
            await self._deliver(run_id)
            while self._rung_again[run_id] and not self._is_stopping:
                self._rung_again[run_id] = False
                await self._deliver(run_id)
        except ServiceError as error:
            # What is owed stands in the store, and the sweeper rings for it again.
            fields = {"run": run_id, "error": str(error), "cause": error.cause}
            log.warning("delivery.postponed", extra={"fields": fields})
        except Exception:
            log.exception("delivery.failed", extra={"fields": {"run": run_id}})
        finally:
            del self._rung_again[run_id]

    async def stop(self, grace: float) -> None:
        """Take no more; give what is under way so many seconds."""
        self._is_stopping = True
        if self._tellings:
            await asyncio.wait(self._tellings, timeout=grace)
        for telling in list(self._tellings):
            telling.cancel()
