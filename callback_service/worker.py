"""A worker process: Celery takes doorbells, one event loop delivers, ticks keep both honest.

And it asks TES servers for what they do not tell.
"""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from celery import signals

from callback_service import wiring
from callback_service.adapters import open_files
from callback_service.config.settings import Settings
from callback_service.domain.errors import ConfigError, ServiceError
from callback_service.domain.run import LEASE, RENEW_EVERY
from callback_service.entrypoints import celery_tasks
from callback_service.relay.reconcile.reconciler import Reconciler
from callback_service.relay.sweep import Tick
from callback_service.wiring import Configured, Stores, Telling

log = logging.getLogger(__name__)

# More than there can be: each is over, or has failed, after `database.timeout`.
RENEWALS_AT_ONCE = 4


def run_worker(configured: Configured, concurrency: int | None = None) -> None:
    """Work until SIGTERM or SIGINT; then let what is under way end."""
    settings = configured.settings
    open_files.allow_many()
    app = configured.foca._create_base_app().app  # noqa: SLF001  FOCA has no public way to it
    celery = wiring.celery_of(app, settings)
    stored = wiring.stores(app, settings)
    wiring.refuse_newer_data(stored)
    # Before anything is leased by it.
    stored.clock.ask()
    # Whoever listens sets up the logs himself: FOCA has. Else Celery would turn down what
    # deliveries log to the level of its own.
    signals.setup_logging.connect(_leave_logs_alone)
    logging.getLogger("celery").setLevel(logging.WARNING)
    # Runs are told before Celery listens to signals: what is under way at a stop by then ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with DeliveryLoop(stored, settings).running() as telling:
        celery_tasks.register(celery, telling.dispatcher)
        # Gossip, mingling and heartbeats tell workers of each other: leases do that here.
        celery.worker_main(
            [
                "--quiet",
                "worker",
                "--pool=threads",
                f"--concurrency={concurrency or settings.broker.concurrency}",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
            ]
        )


def _leave_logs_alone(**_: Any) -> None:
    """Celery does nothing of its own where this was called."""


class DeliveryLoop:
    """The event loop of a worker, in a thread of its own: it delivers while Celery listens."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        self._stores = stores
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started: Future[Telling] = Future()

    @contextmanager
    def running(self) -> Iterator[Telling]:
        thread = threading.Thread(target=self._run, name="delivery")
        thread.start()
        try:
            yield self._started.result()
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()

    def _run(self) -> None:
        with ThreadPoolExecutor(self._settings.delivery.database_threads) as executor:
            try:
                self._loop.run_until_complete(self._deliver(executor))
            except BaseException as error:  # noqa: BLE001  the starting thread raises it
                self._started.set_exception(error)

    async def _deliver(self, executor: Executor) -> None:
        telling = Telling(self._stores, self._settings, executor)
        await telling.sinks.open()
        # Threads of its own: what the clock says is done when deliveries queue for a slow database.
        with ThreadPoolExecutor(2 + len(telling.ticks)) as own, _renewing_leases(telling):
            clockwork = asyncio.gather(
                _keep_looking(telling.reconciler, own),
                *(_keep_ticking(tick, own) for tick in telling.ticks),
            )
            self._started.set_result(telling)
            await self._stop.wait()
            telling.deliverer.stop()
            # Leases are renewed until the last delivery has ended, and claims until the last poll.
            grace = self._settings.delivery.shutdown_grace
            await asyncio.gather(
                telling.dispatcher.stop(grace),
                self._loop.run_in_executor(own, telling.reconciler.stop, grace),
            )
            clockwork.cancel()
            await asyncio.gather(clockwork, return_exceptions=True)
        await telling.sinks.close()
        telling.tes_servers.close()


async def _keep_looking(reconciler: Reconciler, executor: Executor) -> None:
    await _repeat(reconciler.look, reconciler.pause, executor)


async def _keep_ticking(tick: Tick, executor: Executor) -> None:
    # A little more often than it is due, so that it passes to another worker in time.
    every = tick.every.total_seconds() / 2
    await _repeat(tick.offer, lambda: every, executor)


@contextmanager
def _renewing_leases(telling: Telling) -> Iterator[None]:
    """Threads of its own: when the event loop is busy, or deliveries queue for a slow database,
    their leases must be renewed all the same, or another worker takes the runs over and doubles
    the load.
    """
    is_over = threading.Event()

    def renew() -> None:
        if held := list(telling.deliverer.held):
            until = telling.clock.now() + LEASE
            telling.runs.renew(telling.deliverer.holder, held, until)

    def keep_renewing() -> None:
        # One that hangs does not hold up the next.
        with ThreadPoolExecutor(RENEWALS_AT_ONCE) as several:
            while not is_over.wait(RENEW_EVERY.total_seconds()):
                several.submit(_try, renew)

    thread = threading.Thread(target=keep_renewing, name="leases")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


async def _repeat(work: Callable[[], None], pause: Callable[[], float], executor: Executor) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await loop.run_in_executor(executor, _try, work)
        await asyncio.sleep(pause())


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except ServiceError as error:
        fields = {"error": str(error), "cause": error.cause}
        log.warning("tick.missed", extra={"fields": fields})
    except Exception:
        # The clockwork of a worker never stops: the next round may go well.
        log.exception("tick.failed")


def main(arguments: list[str]) -> None:
    """`python -m callback_service.worker [THREADS]`: what `callback-service worker` runs."""
    try:
        run_worker(wiring.load(), int(arguments[0]) if arguments else None)
    except ConfigError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
