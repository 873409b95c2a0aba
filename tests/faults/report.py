"""What came of it, as lines for who watches and as a table for who wants to know."""

from collections.abc import Mapping
from pathlib import Path

from bench import machine
from bench.report import table
from bench.report import write as write_between
from tests.faults.scenario import Result, Scenario

BEGINS = "<!-- results: written by `python -m tests.faults --write` -->"
ENDS = "<!-- end of results -->"
HEAD = (
    "scenario",
    "load",
    "faults",
    "acknowledged",
    "lost",
    "repeated",
    "out of order",
    "recovery s",
    "verdict",
)


def line(scenario: Scenario, result: Result, seed: int) -> str:
    """What went wrong comes with the whole history of some of the tasks."""
    said = f"{scenario.name}: {result.verdict} with seed {seed}: {result.totals}"
    wrong = [f"  void: {one}" for one in result.void[:10]]
    wrong += [f"  violated: {one}" for one in result.violations[:10]]
    return "\n".join([said, *wrong, *result.histories])


def markdown(results: Mapping[str, Result], seed: int) -> str:
    here = machine.describe()
    told = (
        f"`{here['command']}` with seed {seed} on {here['date']}, commit {here['commit']}: "
        f"{here['cores']} cores ({here['processor']}), {here['memory_mib']:,} MiB, "
        f"{here['system']}, load {here['load_before']} before the table was made."
    )
    return f"{told}\n\n{table(HEAD, [_row(name, one) for name, one in results.items()])}"


def write(path: Path, text: str) -> None:
    write_between(path, text, (BEGINS, ENDS))


def _row(name: str, result: Result) -> list[str]:
    totals = result.totals
    recovery = "" if result.recovery is None else f"{result.recovery:.1f}"
    faults = f"{result.faults}; {result.figures}" if result.figures else result.faults
    return [
        name,
        result.load,
        faults,
        f"{totals.acknowledged:,}",
        f"{totals.lost + totals.untold:,}",
        f"{totals.repeated:,}",
        f"{totals.out_of_order:,}",
        recovery,
        result.verdict,
    ]
