"""The broker of `up`: messages that are files, and a pipe that wakes who waits for them."""

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from kombu import Connection, Consumer, Producer, Queue

from callback_service.adapters import folder_broker
from callback_service.adapters.folder_broker import Transport

QUEUE = Queue("doorbells", routing_key="doorbells")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    # Long enough that nothing below passes because somebody looked by chance.
    monkeypatch.setattr(folder_broker, "PATIENCE", 5.0)
    path = tmp_path / "broker"
    path.mkdir()
    return path


def connected(folder):
    where = {"data_folder_in": str(folder), "data_folder_out": str(folder)}
    return Connection(transport=Transport, transport_options=where)


@contextmanager
def reading(folder, prefetch=0):
    """Messages in the order in which they came, each with the time of that; none acknowledged."""
    came = []

    def take(_body, message):
        came.append((time.monotonic(), message))

    with (
        connected(folder) as connection,
        Consumer(connection, [QUEUE], on_message=None) as consumer,
    ):
        consumer.register_callback(take)
        consumer.qos(prefetch_count=prefetch)
        yield connection, came


def write(folder, *bodies):
    with connected(folder) as connection:
        producer = Producer(connection, routing_key=QUEUE.name)
        for body in bodies:
            producer.publish(body)


def drain(connection, until, within=4.0):
    deadline = time.monotonic() + within
    while not until() and time.monotonic() < deadline:
        try:
            connection.drain_events(timeout=2.0)
        except TimeoutError:
            continue
    assert until()


def test_a_reader_that_waits_is_woken_by_a_message(folder):
    with reading(folder) as (connection, came):
        writer = threading.Timer(0.3, write, [folder, "ring"])
        began = time.monotonic()
        writer.start()
        drain(connection, until=lambda: came)
        writer.join()
        assert came[0][0] - began < 2


def test_what_was_written_while_nobody_read_is_found(folder):
    write(folder, "one", "two", "three")
    with reading(folder) as (connection, came):
        drain(connection, until=lambda: len(came) == 3)
        assert [message.payload for _, message in came] == ["one", "two", "three"]


def test_who_has_both_hands_full_goes_on_as_soon_as_one_is_free(folder):
    """Acknowledging rings no bell, and Celery does it between two looks only."""
    write(folder, *range(4))
    with reading(folder, prefetch=2) as (connection, came):
        drain(connection, until=lambda: len(came) == 2)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=2.0)
        assert time.monotonic() - began < 1
        for _, message in came[:]:
            message.ack()
        drain(connection, until=lambda: len(came) == 4)


def test_a_folder_that_is_gone_is_quiet_and_the_next_message_makes_it_anew(folder, monkeypatch):
    monkeypatch.setattr(folder_broker, "PATIENCE", 0.05)
    with reading(folder) as (connection, came):
        shutil.rmtree(folder)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=2.0)
        write(folder, "again")
        drain(connection, until=lambda: came)


def test_it_is_what_processes_of_the_service_use(tmp_path):
    """In a process of its own, for kombu remembers what it found under a name."""
    program = (
        "from callback_service import wiring\n"
        "configured = wiring.load()\n"
        "app = configured.foca._create_base_app().app\n"
        "celery = wiring.celery_of(app, configured.settings)\n"
        "print(type(celery.connection_for_write().transport).__module__)\n"
    )
    environ = {
        **os.environ,
        "CELERY_BROKER_URL": "filesystem://",
        "CALLBACK_BROKER_FOLDER": str(tmp_path / "broker"),
    }
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Transport.__module__ in told.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broker"]
