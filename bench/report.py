"""The results as Markdown, and in their place in a document."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

BEGINS = "<!-- results: written by `python -m bench --write` -->"
ENDS = "<!-- end of results -->"


def markdown(results: dict[str, Any]) -> str:
    parts = [machine_line(results["machine"]), _rest(results["rest"])]
    for broker, measured in results["brokers"].items():
        parts += [
            f"### Broker: {broker}",
            _floor(measured["floor"]),
            _closed(measured["closed"]),
            _open(measured["open"]),
        ]
    return "\n\n".join(parts)


def write(path: Path, text: str, marks: tuple[str, str] = (BEGINS, ENDS)) -> None:
    """Replace what is between the marks, which the document must have."""
    document = path.read_text(encoding="utf-8")
    before, begins, rest = document.partition(marks[0])
    _, ends, after = rest.partition(marks[1])
    if not begins or not ends:
        raise SystemExit(f"{path} has no section between {marks[0]} and {marks[1]}")
    path.write_text(f"{before}{begins}\n\n{text}\n\n{ends}{after}", encoding="utf-8")


def machine_line(machine: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    return (
        f"`{machine['command']}` on {machine['date']}, commit {machine['commit']}: "
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_mib']:,} MiB, "
        f"{machine['system']}, load {machine['load_before']} before it began; "
        f"Python {machine['python']}, {libraries}."
    )


def _rest(rest: dict[str, Any]) -> str:
    return (
        f"`callback-service up` is ready after {rest['ready_s']} s "
        f"({rest['ready_cpu_s']} s of CPU, all processes together). At rest it takes "
        f"{rest['memory_mib']} MiB, and {rest['cpu_percent']} % of one core."
    )


def _floor(floors: Iterable[dict[str, Any]]) -> str:
    rows = [
        [one["load"], f"{one['written_per_second']:,}", _cpu(one["cpu_ms_per_write"])]
        for one in floors
    ]
    return table(("floor: bare writes", "written/s", "CPU ms each"), rows)


def _closed(measured: Iterable[dict[str, Any]]) -> str:
    rows = [
        [
            one["load"],
            one["sink"],
            f"{one['acknowledged_per_second']:,}",
            f"{one['share_of_floor']:.2f}",
            _milliseconds(one["acknowledged_ms"]),
            _cpu(one["cpu_ms_per_callback"]),
            _ledger(one),
        ]
        for one in measured
    ]
    head = ("closed loop", "sink", "acknowledged/s", "of the floor", "p50 / p99 ms", "CPU ms each")
    return table((*head, "ledger"), rows)


def _open(one: dict[str, Any]) -> str:
    head = ("open loop", "end to end, p50 / p99 ms", "acknowledged ms", "generator's lag ms")
    row = [
        f"{one['rate']}/s",
        _milliseconds(one["end_to_end_ms"]),
        _milliseconds(one["acknowledged_ms"]),
        _milliseconds(one["lag_ms"]),
        _cpu(one["cpu_ms_per_callback"]),
        _ledger(one),
    ]
    return table((*head, "CPU ms each", "ledger"), [row])


def _milliseconds(values: dict[str, float | None]) -> str:
    return f"{values['p50']} / {values['p99']}"


def _cpu(used: dict[str, float]) -> str:
    return ", ".join(f"{name} {cpu}" for name, cpu in used.items())


def _ledger(one: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {count:,}" for name, count in one["ledger"].items() if count)
    drained = f", drained in {one['drained_s']} s" if "drained_s" in one else ""
    void = f" **void: {'; '.join(one['void'])}**" if one["void"] else ""
    return counts + drained + void


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
