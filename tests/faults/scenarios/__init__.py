"""The promises, each with what puts it to the test."""

from tests.faults.scenario import Scenario
from tests.faults.scenarios import (
    bad_receivers,
    broker_emptied,
    clock_jumps,
    database_troubled,
    disk_full,
    dropped_callbacks,
    growth,
    killed_after_telling,
    killed_processes,
    killed_up,
    many_runs,
    muddled_callbacks,
    order,
    overloaded,
    rolling_restart,
    schedule,
    stopped_past_its_lease,
    upgrade,
)

_ALL = (
    killed_processes,
    broker_emptied,
    database_troubled,
    muddled_callbacks,
    dropped_callbacks,
    killed_after_telling,
    order,
    stopped_past_its_lease,
    clock_jumps,
    rolling_restart,
    many_runs,
    bad_receivers,
    overloaded,
    schedule,
    killed_up,
    disk_full,
    growth,
    upgrade,
)
SCENARIOS: dict[str, Scenario] = {module.SCENARIO.name: module.SCENARIO for module in _ALL}
