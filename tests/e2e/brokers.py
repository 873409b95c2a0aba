"""The brokers that doorbells go through, and what can befall them."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from kombu import Connection, Queue

from tests.e2e.conditions import until
from tests.faults.proxy import Proxy
from tests.services import missing

QUEUE = "celery"


class FolderBroker:
    """The broker of `callback-service up`: messages are files."""

    can_be_away = False

    def __init__(self, folder):
        self._folder = folder / "broker"

    @contextlib.contextmanager
    def running(self):
        yield self

    @property
    def environ(self):
        return {
            "CELERY_BROKER_URL": "filesystem://",
            "CALLBACK_BROKER_FOLDER": str(self._folder),
        }

    def start(self):
        """It is always there."""

    def wipe(self):
        """Somebody tidies up."""
        # Messages may come while it is emptied.
        until(lambda: shutil.rmtree(self._folder, ignore_errors=True) or not self._folder.exists())


class RabbitBroker:
    """The RabbitMQ of TEST_RABBITMQ_URL, through a proxy: it can be away for this system alone."""

    can_be_away = True

    def __init__(self, _folder):
        self._url = os.environ.get("TEST_RABBITMQ_URL") or missing("RabbitMQ (TEST_RABBITMQ_URL)")
        parts = urlsplit(self._url)
        self._proxy = Proxy(parts.hostname, parts.port or 5672)
        self._proxied = parts._replace(
            netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self._proxy.port}"
        ).geturl()

    @contextlib.contextmanager
    def running(self):
        # Systems that ran side by side would take each other's doorbells out of the one queue.
        with Path(tempfile.gettempdir(), "callback-service-e2e-rabbitmq.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.wipe()
            with self._proxy.running():
                yield self

    @property
    def environ(self):
        return {"CELERY_BROKER_URL": self._proxied}

    def stop(self):
        self._proxy.close()

    def start(self):
        self._proxy.open()

    def fall_silent(self):
        """Worse than being down: connections are there, and nothing comes back."""
        self._proxy.fall_silent()

    def wipe(self):
        """The queue is gone with everything in it, as if the broker had been set up anew."""
        with Connection(self._url) as connection:
            Queue(QUEUE, channel=connection.default_channel).delete()


BROKERS = {"folder": FolderBroker, "rabbitmq": RabbitBroker}
