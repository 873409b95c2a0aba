"""The command line: what to measure, and where the results go."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import machine, report
from bench.measure import Bench
from bench.plan import Plan
from bench.rest import at_rest
from bench.service import RESULTS, running_service

FOLDER = "folder (as in `up`)"


def main() -> None:
    options = _parser().parse_args()
    plan = Plan(
        connections=options.connections,
        rate=options.rate,
        seconds=options.seconds,
        warm_up=min(Plan().warm_up, options.seconds),
        api_processes=options.api_processes,
    )
    results = measure(plan, options.broker)
    _keep(results)
    text = report.markdown(results)
    print(json.dumps(results, indent=2) if options.json else text)
    if options.write:
        report.write(options.write, text)


def measure(plan: Plan, broker: str | None) -> dict[str, Any]:
    results: dict[str, Any] = {"machine": machine.describe(), "brokers": {}}
    results["rest"] = at_rest(plan.seconds)
    for name, url in _brokers(broker):
        with running_service(plan, url) as service:
            results["brokers"][name] = Bench(plan, service).run()
    return results


def _brokers(url: str | None) -> Iterator[tuple[str, str | None]]:
    yield FOLDER, None
    if url:
        yield url.partition("://")[0], url
    else:
        print("Only the folder broker is measured: no --broker was given.", file=sys.stderr)


def _keep(results: dict[str, Any]) -> None:
    name = results["machine"]["date"].replace(":", "")
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=2), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the service on this machine, and what its database would allow.",
        epilog="MONGO_URI in the environment names a database to be used instead of the built-in "
        "one. Results are also kept as JSON in bench/results.",
    )
    plan = Plan()
    parser.add_argument("--seconds", type=float, default=plan.seconds, help="per measurement")
    parser.add_argument("--connections", type=int, default=plan.connections, help="closed loop")
    parser.add_argument("--rate", type=int, default=plan.rate, help="open loop, callbacks/s")
    parser.add_argument("--api-processes", type=int, default=plan.api_processes)
    parser.add_argument(
        "--broker",
        metavar="URL",
        default=os.environ.get("TEST_RABBITMQ_URL"),
        help="measure with this one too, such as a RabbitMQ (or TEST_RABBITMQ_URL); nobody else "
        "may take doorbells out of its queue `celery`",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the Markdown into FILE")
    return parser
