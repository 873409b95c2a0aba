"""The clockwork of a worker: what must go on while its deliveries wait."""

import threading
import time
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from types import SimpleNamespace

import pytest

from callback_service.config.cwl_wes_settings import CwlWesSettings
from callback_service.config.settings import DeliverySettings, Settings
from callback_service.domain.run import LEASE, Lease, Run
from callback_service.worker import DeliveryLoop
from tests.fakes.clock import START, FakeClock
from tests.fakes.store import (
    FakeDeliveryLog,
    FakeFingerprints,
    FakeOutcomes,
    FakeRuns,
    FakeServers,
    FakeTasks,
    FakeTicks,
)

LONG = 30.0


def lease_of(runs: FakeRuns) -> Lease:
    return runs.find(["r1"])["r1"].lease


def stores_with(runs: FakeRuns) -> SimpleNamespace:
    return SimpleNamespace(
        runs=runs,
        tasks=FakeTasks(),
        servers=FakeServers(),
        fingerprints=FakeFingerprints(),
        outcomes=FakeOutcomes(),
        delivery_log=FakeDeliveryLog(),
        ticks=FakeTicks(),
        clock=FakeClock(),
        # All documents are of this version.
        schema=SimpleNamespace(migrate=lambda: None),
    )


class Hanging(FakeRuns):
    """The first renewal gets no answer."""

    def __init__(self, is_over: threading.Event) -> None:
        super().__init__()
        self._is_over = is_over
        self._renewals = count()

    def renew(self, holder: str, run_ids: Collection[str], until: datetime) -> None:
        if next(self._renewals) == 0:
            self._is_over.wait(LONG)
        else:
            super().renew(holder, run_ids, until)


@pytest.mark.parametrize("trouble", ["slow database", "busy loop", "lost renewal"])
def test_leases_are_renewed_whatever_holds_deliveries_up(trouble: str) -> None:
    """Else another worker takes the runs over, and doubles the load that made them wait."""
    now, is_over = START, threading.Event()
    runs = Hanging(is_over) if trouble == "lost renewal" else FakeRuns()
    stores = stores_with(runs)
    settings = Settings(public_url=None, delivery=DeliverySettings(database_threads=1))
    loop = DeliveryLoop(stores, settings)
    with loop.running() as telling:
        if trouble == "slow database":
            telling.deliverer.executor.submit(is_over.wait, LONG)
        if trouble == "busy loop":
            loop._loop.call_soon_threadsafe(is_over.wait, LONG)  # noqa: SLF001  nobody else holds it
        held = Lease(1, telling.deliverer.holder, now)
        run = Run("r1", "local", "default", now, now + timedelta(days=1))
        runs.add(replace(run, lease=held))
        telling.deliverer.held.add("r1")
        deadline = time.monotonic() + LEASE.total_seconds()
        while lease_of(runs) == held and time.monotonic() < deadline:
            time.sleep(0.05)
        renewed = lease_of(runs)
        is_over.set()
    assert renewed.is_held(now)


@pytest.mark.parametrize(("after", "offers"), [(None, 0), (600, 1)])
def test_dead_engines_are_given_up_by_the_clock_only_where_that_is_set(
    after: float | None, offers: int
) -> None:
    settings = Settings(public_url=None, cwl_wes=CwlWesSettings(fail_stuck_after=after))
    with DeliveryLoop(stores_with(FakeRuns()), settings).running() as telling:
        assert [tick.name for tick in telling.ticks].count("fail stuck") == offers
