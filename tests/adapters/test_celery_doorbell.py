"""A broker that takes connections and says nothing: half open, or behind a bad firewall."""

import socket
import time

import pytest
from celery import Celery

from callback_service.adapters.celery_doorbell import CeleryDoorbell, configure
from callback_service.domain.errors import Unavailable


def test_a_silent_broker_is_known_in_time():
    """Probes wait for a second, and it is a part of what they ask for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        celery = Celery(broker=f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}//")
        configure(celery, None)
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="the broker does not answer"):
            CeleryDoorbell(celery, 0).check(0.3)
        assert time.monotonic() - begun < 1
