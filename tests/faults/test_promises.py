"""Each promise is kept under its faults, and what puts it to the test can fail."""

import os
from dataclasses import replace

import pytest

from tests.faults import report
from tests.faults.scenarios import SCENARIOS

CONTROLS = [(one.name, build) for one in SCENARIOS.values() for build in one.broken]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_promise_is_kept(name, stage):
    result = _played(name, stage)
    assert result.verdict == "kept", report.line(SCENARIOS[name], result, stage.seed)


# They take as long again as the promises themselves: `make faults-controls` plays them too.
@pytest.mark.skipif("FAULTS_CONTROLS" not in os.environ, reason="FAULTS_CONTROLS is not set")
@pytest.mark.parametrize(("name", "build"), CONTROLS)
def test_a_broken_build_is_found_out(name, build, stage):
    result = _played(name, replace(stage, broken=build))
    assert result.verdict == "violated", report.line(SCENARIOS[name], result, stage.seed)


def _played(name, stage):
    """What is void proves nothing, either way: it is played a second time."""
    for turn in ("first", "second"):
        folder = stage.folder / turn
        folder.mkdir()
        result = SCENARIOS[name].play(replace(stage, folder=folder))
        if result.verdict != "void":
            break
    return result


def test_every_scenario_can_fail():
    assert all(one.broken for one in SCENARIOS.values())
