"""The command line: all of it takes about ten minutes."""

import argparse
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench import machine, report
from bench.engines import tables
from bench.engines.runs import ENGINES
from bench.engines.size import Size
from bench.servers.convergence import spread
from tests.e2e.system import running_system
from tests.engines.ways import Way, ground, registering

MARKS = (
    "<!-- results: written by `python -m bench.engines --write` -->",
    "<!-- end of results of engines -->",
)
# Each with whether the server calls back; nobody could call an engine that asks it directly.
WAYS = [
    (Way.POLLING, False),
    (Way.GATEWAY, False),
    (Way.LAUNCHER, False),
    (Way.GATEWAY, True),
    (Way.LAUNCHER, True),
]


def main() -> None:
    options = _parser().parse_args()
    results = {"machine": machine.describe(), "engines": list(_measure(options))}
    text = tables.markdown(results)
    print(json.dumps(results, indent=2) if options.json else text)
    if options.write:
        report.write(options.write, text, MARKS)


def _measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    size = Size(options.tasks, options.seconds, options.job_seconds)
    with tempfile.TemporaryDirectory() as top:
        home = Path(top) / "service"
        home.mkdir()
        with running_system(home) as system, registering(system) as register:
            for engine in options.only or ENGINES:
                for way, calls_back in WAYS:
                    folder = Path(tempfile.mkdtemp(dir=top))
                    set_up = partial(ground, system, register, way, folder, calls_back=calls_back)
                    name, run = ENGINES[engine]
                    how = {"engine": name, "way": way.value, "calls_back": calls_back}
                    yield how | _shown(run(set_up, size))


def _shown(outcome: Any) -> dict[str, Any]:
    last = outcome.stderr.strip().splitlines()[-1:]
    return {
        "completed": outcome.exit_code == 0,
        "why_not": "".join(last) if outcome.exit_code else "",
        "requests": outcome.requests,
        "at_server": outcome.at_server,
        "seconds": round(outcome.seconds, 1),
        "noticed_after_s": spread(outcome.noticed_after),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.engines",
        description="Measure what engines ask a TES server, and how soon they notice ends.",
    )
    parser.add_argument("--only", action="append", choices=list(ENGINES), metavar="ENGINE")
    parser.add_argument("--tasks", type=int, default=20, help="of py-tes and cwl-tes")
    parser.add_argument("--seconds", type=float, default=20, help="that each of them takes")
    parser.add_argument("--job-seconds", type=int, default=5, help="of each job of Snakemake")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the Markdown into FILE")
    return parser
