"""The fake passes for the real thing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from callback_service.adapters.tes_server import Bearer, HttpTesServers, KnownSecret
from callback_service.domain.server import Server
from tests.adapters.tes_servers_suite import (
    CREDENTIALS,
    MAX_RESPONSE,
    TIMEOUT,
    TOKEN,
    Asked,
    TesServersSuite,
)
from tests.fakes.clock import START, FakeClock
from tests.fakes.tes_servers import FakeTesServers
from tests.tes_sim.running import new_core, running_server


class TestFakeTesServers(TesServersSuite):
    @pytest.fixture
    def asked(self) -> Asked:
        return fake()

    @pytest.fixture
    def closed(self) -> Asked:
        return fake(TOKEN)


class TestHttpTesServers(TesServersSuite):
    @pytest.fixture
    def asked(self) -> Iterator[Asked]:
        with real() as asked:
            yield asked

    @pytest.fixture
    def closed(self) -> Iterator[Asked]:
        with real(TOKEN) as asked:
            yield asked


def fake(token: str | None = None) -> Asked:
    core, clock = new_core("funnel", token=token), FakeClock()
    core.make(0, 3, START)
    servers = FakeTesServers(
        clock,
        {"tes-1": core},
        {CREDENTIALS: f"Bearer {TOKEN}"},
        timeout=TIMEOUT,
        max_response=MAX_RESPONSE,
    )
    return Asked(servers, Server("tes-1", "http://tes-1.example", START), core, clock.now)


@contextmanager
def real(token: str | None = None) -> Iterator[Asked]:
    servers = HttpTesServers(
        {CREDENTIALS: Bearer(KnownSecret(TOKEN))}, timeout=TIMEOUT, max_response=MAX_RESPONSE
    )
    with running_server("funnel", still_open=3, token=token) as running:
        server = Server("tes-1", running.url, START)
        yield Asked(servers, server, running.core, lambda: datetime.now(UTC))
        servers.close()
