import threading

import pytest
from callback_client import CallbackClient

from client.tests.fake_service import FakeService


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("CALLBACK_SERVICE_URL", "CALLBACK_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    # Where a proxy is set for the machine, it is none for the service beside the test.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def service():
    with FakeService() as fake:
        yield fake


@pytest.fixture
def client(service):
    with CallbackClient(service.url, timeout=5) as found:
        yield found


@pytest.fixture
def later():
    """Do something after some seconds, while the test waits for it."""
    timers = []

    def do(seconds, what):
        timers.append(threading.Timer(seconds, what))
        timers[-1].start()

    yield do
    for timer in timers:
        timer.join()
