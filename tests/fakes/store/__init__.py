"""All stores in memory. They pass the suites of `tests/stores`, as the real ones do."""

from tests.fakes.store.deliveries import FakeDeliveryLog
from tests.fakes.store.fingerprints import FakeFingerprints
from tests.fakes.store.outcomes import FakeOutcomes
from tests.fakes.store.runs import FakeRuns
from tests.fakes.store.servers import FakeServers
from tests.fakes.store.tasks import FakeTasks
from tests.fakes.store.ticks import FakeTicks

__all__ = [
    "FakeDeliveryLog",
    "FakeFingerprints",
    "FakeOutcomes",
    "FakeRuns",
    "FakeServers",
    "FakeTasks",
    "FakeTicks",
]
