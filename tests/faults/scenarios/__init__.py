"""The promises, each with what puts it to the test."""

from tests.faults.scenario import Scenario
from tests.faults.scenarios import killed_processes, killed_up

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.name: module.SCENARIO for module in (killed_processes, killed_up)
}
