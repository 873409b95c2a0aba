"""The command line: all of it takes about eight minutes."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import machine, report
from bench.servers import tables
from bench.servers.convergence import converge
from bench.servers.polls import poll
from bench.servers.reads import read_minimal
from bench.servers.waiting import directly, through_gateway

MARKS = (
    "<!-- results: written by `python -m bench.servers --write` -->",
    "<!-- end of results of servers -->",
)


def main() -> None:
    options = _parser().parse_args()
    wanted = options.only or list(MEASURES)
    results: dict[str, Any] = {"machine": machine.describe()}
    results |= {name: MEASURES[name](options) for name in wanted}
    text = tables.markdown(results)
    print(json.dumps(results, indent=2) if options.json else text)
    if options.write:
        report.write(options.write, text, MARKS)


def _convergence(options: argparse.Namespace) -> Any:
    return [converge(options.tasks, dropped) for dropped in (0.0, 0.3, 1.0)]


def _waiting(options: argparse.Namespace) -> Any:
    return [
        directly(options.waiting),
        through_gateway(options.waiting, "funnel", "unknown"),
        through_gateway(options.waiting, "pr176", "yes"),
    ]


def _reads(options: argparse.Namespace) -> Any:
    return read_minimal(options.rate, options.seconds)


def _polls(options: argparse.Namespace) -> Any:
    return [poll(profile, options.seconds) for profile in ("funnel", "tesk")]


MEASURES: dict[str, Callable[[argparse.Namespace], Any]] = {
    "convergence": _convergence,
    "waiting": _waiting,
    "reads": _reads,
    "polls": _polls,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.servers",
        description="Measure what asking TES servers costs, and how soon changes are known.",
    )
    parser.add_argument("--only", action="append", choices=list(MEASURES), metavar="MEASURE")
    parser.add_argument("--tasks", type=int, default=1000, help="for convergence")
    parser.add_argument("--waiting", type=int, default=100, help="clients that wait at once")
    parser.add_argument("--rate", type=int, default=500, help="MINIMAL reads/s")
    parser.add_argument("--seconds", type=float, default=10.0, help="for reads and polls")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the Markdown into FILE")
    return parser
