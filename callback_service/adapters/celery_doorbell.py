"""Doorbells through Celery: gathered for a moment, and never in anybody's way."""

import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from kombu.connection import Connection
from kombu.transport import TRANSPORT_ALIASES

from callback_service.domain.errors import ConfigError, Unavailable

log = logging.getLogger(__name__)

DELIVER = "callback_service.deliver"
FOLDER_BROKER = "callback_service.adapters.folder_broker:Transport"
# Runs per message: few enough to spread over workers, many enough to be cheap.
RUNS_PER_MESSAGE = 20
# After a failure the broker is left alone for so many seconds; the sweeper rings meanwhile.
PAUSE = 1.0
# Seconds that a broker gets to take a connection.
PATIENCE = 2.0


def configure(celery: Celery, folder: str | None) -> None:
    """The options of the API's and the workers' Celery alike."""
    celery.conf.update(
        # A doorbell that a worker took and died with is rung again.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # What waits, waits at the broker, for whichever worker is free.
        worker_prefetch_multiplier=1,
        # Nobody asks what came of a doorbell.
        task_ignore_result=True,
        # A callback must not wait for a broker that is away.
        broker_connection_timeout=PATIENCE,
        # A worker never gives up: brokers come back.
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Nor because of a queue that somebody declared otherwise: the sweeper needs the worker.
        broker_channel_error_retry=True,
        # Doorbells carry ids only.
        task_serializer="json",
        accept_content=["json"],
        # FOCA has configured the logs.
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        # Nothing here is slow; a soft shutdown has nothing to wait for.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_transport_options=_transport_options(folder),
    )
    celery.steps["consumer"].add(Attention)
    _know_folder_broker()
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    elif str(celery.conf.broker_url).startswith("filesystem:"):
        raise ConfigError(
            "CELERY_BROKER_URL: filesystem:// needs a folder; name it in CALLBACK_BROKER_FOLDER"
        )


def _know_folder_broker() -> None:
    """Before anything asks kombu for it: what a name was found to mean, kombu remembers."""
    TRANSPORT_ALIASES["filesystem"] = FOLDER_BROKER


def check_url(url: str) -> None:
    """Raises `ConfigError` where no broker can be meant; none given is the one in the settings."""
    _know_folder_broker()
    looks = "it has to look like amqp://user:password@host:5672// or redis://host:6379/0"
    try:
        # Kombu takes a word for the name of a host.
        if url and "://" not in url:
            raise ValueError(url)  # noqa: TRY301  said once, below
        Connection(url)  # type: ignore[no-untyped-call]
    except KeyError:
        scheme = url.partition("://")[0]
        raise ConfigError(f"CELERY_BROKER_URL: there is no broker {scheme!r}; {looks}") from None
    except ValueError:
        # Without its words, which may be a piece of the password.
        raise ConfigError(f"CELERY_BROKER_URL cannot be used; {looks}") from None
    except (ImportError, AttributeError, NameError):
        # A library that is not installed is no fault of the URL.
        return


class Attention(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """An idle worker sees that it was told to stop only when something else happens: every second.

    Celery's own heartbeats would be that, but nobody listens to them here.
    """

    def start(self, consumer: Any) -> None:
        self._beat = consumer.timer.call_repeatedly(1.0, lambda: None)

    def stop(self, _consumer: Any) -> None:
        self._beat.cancel()


def _transport_options(folder: str | None) -> dict[str, Any]:
    if folder is None:
        return {"socket_timeout": 2, "read_timeout": 2, "write_timeout": 2}
    return {
        "data_folder_in": folder,
        "data_folder_out": folder,
    }


class CeleryDoorbell:
    """Rings in the background; a ring that fails is lost, and the sweeper rings again."""

    def __init__(self, celery: Celery, gather: float) -> None:
        self._celery = celery
        self._gather = gather
        self._lock = threading.Lock()
        self._rung: set[str] = set()
        self._wanted = threading.Event()
        self._is_ringing = False
        self._producer: Any = None

    def ring(self, run_ids: Iterable[str]) -> None:
        with self._lock:
            self._rung.update(run_ids)
            starts = bool(self._rung) and not self._is_ringing
            self._is_ringing |= starts
        # In the background, and only once there is something to ring for: a thread
        # that is started before a fork is not there after it.
        if starts:
            threading.Thread(target=self._run, name="doorbell", daemon=True).start()
        self._wanted.set()

    def check(self, patience: float = PATIENCE) -> None:
        """Raises `Unavailable` where the broker does not answer within `patience` seconds."""
        try:
            with self._celery.connection_for_write(connect_timeout=patience) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=patience)
        except Exception as error:
            raise Unavailable(f"the broker does not answer ({type(error).__name__})") from error

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            time.sleep(self._gather)
            with self._lock:
                rung, self._rung = sorted(self._rung), set()
            self._publish(rung)

    def _publish(self, run_ids: list[str]) -> None:
        was_connected = self._producer is not None
        try:
            self._send(run_ids)
        except Exception as error:  # noqa: BLE001  a failed broker never fails a callback
            self._hang_up()
            if was_connected:
                # A broker closes what was idle for long, or was started anew since.
                self._publish(run_ids)
                return
            fields = {"runs": len(run_ids), "error": type(error).__name__}
            log.warning("doorbells.lost", extra={"fields": fields})
            time.sleep(PAUSE)

    def _send(self, run_ids: list[str]) -> None:
        if self._producer is None:
            self._producer = self._connect()
        for start in range(0, len(run_ids), RUNS_PER_MESSAGE):
            ids = run_ids[start : start + RUNS_PER_MESSAGE]
            self._celery.send_task(
                DELIVER, args=[ids], producer=self._producer, ignore_result=True, retry=False
            )

    def _connect(self) -> Any:
        """A connection of this thread's own: Celery's pool, once closed, is closed for good."""
        # Nobody here would send heartbeats in time.
        connection = self._celery.connection_for_write(heartbeat=0)
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE)
        return self._celery.amqp.Producer(connection, auto_declare=False)

    def _hang_up(self) -> None:
        """Without a word to the broker, which may not answer."""
        if self._producer is not None:
            self._producer.connection.collect()
            self._producer = None
