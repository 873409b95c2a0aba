"""The results as Markdown."""

from collections.abc import Callable, Mapping
from typing import Any

from bench.report import machine_line, table


def markdown(results: Mapping[str, Any]) -> str:
    parts = [machine_line(results["machine"])]
    parts += [_TABLES[name](results[name]) for name in _TABLES if name in results]
    return "\n\n".join(parts)


def _convergence(measured: list[dict[str, Any]]) -> str:
    head = (
        "callbacks dropped",
        "tasks",
        "beliefs equal the truth",
        "end told after s, mean / p50 / p99 / max",
        "requests to the server",
        "of clients that poll",
    )
    rows = [
        [
            f"{one['dropped']:.0%}",
            f"{one['tasks']:,}",
            _yes(one["converged"] and not one["untold"]),
            _spread(one["seconds_to_notice"]),
            f"{one['requests']:,}",
            f"{one['requests_of_pollers']:,}",
        ]
        for one in measured
    ]
    return table(head, rows)


def _waiting(measured: list[dict[str, Any]]) -> str:
    head = (
        "who waits how",
        "lists at the server",
        "reads of single tasks",
        "`wait()` returns after s, mean / p50 / p99 / max",
        "a run is told after s",
    )
    rows = [
        [
            one["who"],
            f"{one['lists']:,}",
            f"{one['reads']:,}",
            _spread(one["wait_returned_after_s"]),
            _spread(one["run_told_after_s"]),
        ]
        for one in measured
    ]
    return table(head, rows)


def _reads(one: dict[str, Any]) -> str:
    asked = ", ".join(f"{name} {count}" for name, count in one["server_was_asked"].items())
    cpu = ", ".join(f"{name} {ms}" for name, ms in one["cpu_ms_per_read"].items())
    head = ("MINIMAL reads", "answered", "p50 / p99 ms", "CPU ms each", "the server was asked")
    answer = one["answer_ms"]
    answered = f"{one['answered']:,} of {one['asked']:,}"
    row = [f"{one['rate']}/s", answered, f"{answer['p50']} / {answer['p99']}", cpu, asked or "0"]
    return table(head, [row])


def _polls(measured: list[dict[str, Any]]) -> str:
    head = ("server with 10,000 tasks, 100 open", "requests", "CPU ms per second", "filters")
    rows = []
    for one in measured:
        asked = ", ".join(f"{name} {count}" for name, count in one["requests"].items()) or "0"
        cpu = ", ".join(f"{name} {ms}" for name, ms in one["cpu_ms_per_second"].items())
        within = f"{asked} in {one['seconds']:.0f} s"
        rows.append([one["profile"], within, cpu, one["polling"]["filters"]])
    return table(head, rows)


def _spread(values: Mapping[str, float | None]) -> str:
    return " / ".join("-" if value is None else f"{value}" for value in values.values())


def _yes(holds: bool) -> str:  # noqa: FBT001  it is all there is to say
    return "yes" if holds else "**no**"


_TABLES: dict[str, Callable[[Any], str]] = {
    "convergence": _convergence,
    "waiting": _waiting,
    "reads": _reads,
    "polls": _polls,
}
