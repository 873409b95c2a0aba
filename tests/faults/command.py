"""The command line: which promises are put to the test, and where the table goes."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.faults import report, seeds
from tests.faults.scenario import Result, Scenario, Stage
from tests.faults.scenarios import SCENARIOS


def main() -> None:
    options = _parser().parse_args()
    seed = seeds.choose() if options.seed is None else options.seed
    print(f"seed {seed}: --seed {seed} plays this again")
    chosen = [SCENARIOS[name] for name in options.scenarios] or list(SCENARIOS.values())
    results = {one.name: _play(one, seed, options) for one in chosen}
    text = report.markdown(results, seed)
    print(text)
    if options.write:
        report.write(options.write, text)
    sys.exit(any(result.verdict != "kept" for result in results.values()))


def _play(scenario: Scenario, seed: int, options: argparse.Namespace) -> Result:
    with TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        stage = Stage(Path(options.keep or folder), seed, options.quick, options.broken)
        result = scenario.play(stage)
    print(report.line(scenario, result, seed), flush=True)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Put the promises of the service to the test, under faults.",
    )
    add: Any = parser.add_argument
    add("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; or all")
    add("--quick", action="store_true", help="the short form of each")
    add("--seed", type=int, help="play a run again")
    add("--broken", metavar="BUILD", help="a build that is broken on purpose: it must not pass")
    add("--write", type=Path, metavar="FILE", help="put the table into FILE")
    add("--keep", type=Path, metavar="FOLDER", help="keep data and logs there")
    return parser
