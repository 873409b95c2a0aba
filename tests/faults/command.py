"""The command line: which promises are put to the test, and where the table goes."""

import argparse
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.faults import report, seeds
from tests.faults.rabbitmq import OwnRabbitMq
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.scenarios import SCENARIOS


def main() -> None:
    options = _parser().parse_args()
    # So that whoever stops it leaves nothing behind of what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    seed = seeds.choose() if options.seed is None else options.seed
    print(f"seed {seed}: --seed {seed} plays this again")
    chosen = options.scenarios or list(SCENARIOS.values())
    if options.controls:
        # All of them, although the first may be overlooked.
        controls = [(one, build) for one in chosen for build in one.broken]
        sys.exit(sum(_overlooks(*control, seed, options) for control in controls) > 0)
    played = {one.name: _play(one, seed, options, options.broken) for one in chosen}
    results = {name: result for name, result in played.items() if result}
    text = report.markdown(results, seed)
    print(text)
    if options.write:
        report.write(options.write, text)
    sys.exit(any(result.verdict != "kept" for result in results.values()))


def _play(
    scenario: Scenario, seed: int, options: argparse.Namespace, broken: str | None
) -> Result | None:
    """None where something is missing that it needs, such as a disk of its own."""
    with TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        # The short form needs nothing that a laptop does not have, but for what is about RabbitMQ.
        broker = "folder" if options.quick else OwnRabbitMq
        stage = Stage(Path(options.keep or folder), seed, options.quick, broken, broker)
        try:
            result = scenario.play(stage)
        except pytest.skip.Exception as reason:
            print(f"{scenario.name}: not played: {reason}", flush=True)
            return None
    print(report.line(scenario, result, seed), flush=True)
    return result


def _overlooks(scenario: Scenario, build: str, seed: int, options: argparse.Namespace) -> bool:
    """Whether a build that is broken on purpose passes, or proves nothing."""
    print(f"{scenario.name} of the build {build}, which must violate it:")
    result = _play(scenario, seed, options, build)
    return result is not None and result.verdict != "violated"


def _scenario(name: str) -> Scenario:
    try:
        return SCENARIOS[name]
    except KeyError:
        raise argparse.ArgumentTypeError(f"there is {', '.join(SCENARIOS)}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Put the promises of the service to the test, under faults.",
    )
    add: Any = parser.add_argument
    known = ", ".join(SCENARIOS)
    add("scenarios", nargs="*", type=_scenario, metavar="SCENARIO", help=f"of {known}; or all")
    add("--quick", action="store_true", help="the short form of each")
    add("--seed", type=int, help="play a run again")
    add("--broken", metavar="BUILD", help="a build that is broken on purpose: it must not pass")
    add("--controls", action="store_true", help="all builds that are broken on purpose")
    add("--write", type=Path, metavar="FILE", help="put the table into FILE")
    add("--keep", type=Path, metavar="FOLDER", help="keep data and logs there")
    return parser
