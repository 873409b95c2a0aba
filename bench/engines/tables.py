"""The results as Markdown."""

from collections.abc import Mapping
from typing import Any

from bench.report import machine_line, table

_HEAD = (
    "engine",
    "by",
    "server calls back",
    "requests to it",
    "reads of single tasks",
    "lists",
    "whole run, s",
    "end noticed after s, mean / max",
)


def markdown(results: Mapping[str, Any]) -> str:
    rows = [_row(one) for one in results["engines"]]
    return f"{machine_line(results['machine'])}\n\n{table(_HEAD, rows)}"


def _row(one: Mapping[str, Any]) -> list[str]:
    begin = [one["engine"], one["way"], "yes" if one["calls_back"] else "no"]
    if not one["completed"]:
        return [*begin, "does not run", *[""] * (len(_HEAD) - len(begin) - 1)]
    asked, noticed = one["at_server"], one["noticed_after_s"]
    return [
        *begin,
        f"{one['requests']}",
        f"{asked.get('GetTask', 0)}",
        f"{asked.get('ListTasks', 0)}",
        f"{one['seconds']}",
        f"{noticed['mean']} / {noticed['max']}",
    ]
