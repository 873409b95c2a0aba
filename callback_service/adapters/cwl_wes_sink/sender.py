"""The `Sender` of sinks in databases of cwl-WES."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from pymongo.errors import PyMongoError

from callback_service.adapters.cwl_wes_sink.failures import describe
from callback_service.adapters.cwl_wes_sink.news import News, news_of
from callback_service.adapters.cwl_wes_sink.target import Target
from callback_service.adapters.cwl_wes_sink.telling import Contended, Failure, RunLost
from callback_service.domain.delivery import Answer, Item
from callback_service.domain.run import Failing, Run
from callback_service.domain.sink import CwlWesSink, Sink

log = logging.getLogger(__name__)

Write = Callable[[Target, str], Awaitable[None]]

# In the words of HTTP, which the log of attempts has for all sinks.
_WRITTEN, _GONE = 204, 410
# cwl-WES waits for the log of a task for 5 seconds by default before it pushes it.
LOOK_AGAIN_AFTER = 10.0


class CwlWesSender:
    """Writes to the targets that it was given by name. Use it in one event loop, and close it.

    What ended is looked at once more after `look_again_after` seconds. Until then cwl-WES
    may push a log, or set a state, that it had read before; every other news would be
    followed by newer ones that put this right, but not the last ones of a task.
    """

    def __init__(
        self, targets: Mapping[str, Target], *, look_again_after: float = LOOK_AGAIN_AFTER
    ) -> None:
        self._targets = targets
        self._look_again_after = look_again_after
        self._looks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for look in self._looks:
            look.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
        for target in self._targets.values():
            target.close()

    async def send(
        self,
        run: Run,
        sink: Sink,
        webhook_id: str,
        items: Sequence[Item],
        at: datetime,  # noqa: ARG002  the port's; what cwl-WES keeps of a task has no time of ours
    ) -> Answer:
        news = news_of(items)
        return await self._answer(
            run, sink, webhook_id, lambda target, wes_run_id: self._tell(target, wes_run_id, news)
        )

    async def fail(
        self, run: Run, sink: Sink, webhook_id: str, failing: Failing, at: datetime
    ) -> Answer:
        failure = Failure(webhook_id, failing.by, failing.reason, at)
        return await self._answer(
            run, sink, webhook_id, lambda target, wes_run_id: target.fail(wes_run_id, failure)
        )

    async def _answer(self, run: Run, sink: Sink, webhook_id: str, write: Write) -> Answer:
        began = time.monotonic()
        try:
            answer = await self._write(sink, write)
        except Exception:
            # Nobody foresaw it, but it is this run's alone: the drain of the others goes on.
            fields = {"run": run.id, "webhook_id": webhook_id}
            log.exception("delivery.broke", extra={"fields": fields})
            answer = Answer(error="the service failed to write it")
        return replace(answer, latency=time.monotonic() - began)

    async def _write(self, sink: Sink, write: Write) -> Answer:
        if not isinstance(sink, CwlWesSink):
            raise TypeError(f"a cwl-WES sender was handed a {type(sink).__name__}")
        target = self._targets.get(sink.target)
        if target is None:
            # Taken out of the settings since the run was registered, maybe by mistake.
            return Answer(error=f"there is no target {sink.target} among the settings any more")
        try:
            await write(target, sink.wes_run_id)
        except RunLost as loss:
            return Answer(status=_GONE, error=str(loss))
        except (PyMongoError, TimeoutError, Contended) as failure:
            return Answer(error=describe(failure, sink.target))
        return Answer(status=_WRITTEN)

    async def _tell(self, target: Target, wes_run_id: str, news: Sequence[News]) -> None:
        await target.tell(wes_run_id, news)
        if ended := [one for one in news if one.state.is_final]:
            look = asyncio.create_task(self._look_again(target, wes_run_id, ended))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look_again(self, target: Target, wes_run_id: str, news: Sequence[News]) -> None:
        await asyncio.sleep(self._look_again_after)
        # It was told already; and a run that has ended is as cwl-WES left it.
        with suppress(RunLost, PyMongoError, TimeoutError, Contended):
            await target.tell(wes_run_id, news)
