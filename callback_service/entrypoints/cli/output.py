"""What commands print: JSON for scripts, tables for people."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import compress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callback_service.domain.states import State

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as the API answers it.")]

_STYLES = {
    "QUEUED": "yellow",
    "INITIALIZING": "yellow",
    "RUNNING": "cyan",
    "PAUSED": "magenta",
    "CANCELING": "magenta",
    "COMPLETE": "green",
    "EXECUTOR_ERROR": "red",
    "SYSTEM_ERROR": "red",
    "CANCELED": "magenta",
    "PREEMPTED": "red",
    "active": "green",
    "paused": "yellow",
    "gone": "red",
    "told": "green",
    "retry": "yellow",
    "refused": "red",
    "ok": "green",
    "error": "red",
}


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: Any) -> None:
    """One line for each, at once: for what goes on."""
    typer.echo(json.dumps(value, ensure_ascii=False))
    sys.stdout.flush()


def new_console(*, stderr: bool = False) -> "Console":
    """Where nobody looks on, lines are as long as they are: nothing is cut off for a script."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 10_000
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The first column is what other commands take: never shortened. Empty ones are left out."""
    from rich.table import Table

    if not rows:
        typer.echo("There are none.", err=True)
        return
    there = [any(cells) for cells in zip(*rows, strict=True)]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, heading in enumerate(compress(headings, there)):
        table.add_column(heading, no_wrap=True, overflow="fold" if number == 0 else "ellipsis")
    for row in rows:
        table.add_row(*(shown(cell) for cell in compress(row, there)))
    new_console().print(table)


def print_facts(facts: Mapping[str, str]) -> None:
    """A line for each that is there; values are never cut, so that they can be copied."""
    from rich.text import Text

    width = max(map(len, facts), default=0)
    console = new_console()
    for name, value in facts.items():
        if value:
            line = Text.assemble((name.ljust(width + 2), "dim"), shown(value))
            console.print(line, soft_wrap=True)


def shown(text: str) -> "Text":
    """Coloured where it is a word of the contract."""
    from rich.text import Text

    return Text(plain(text), style=_STYLES.get(text, ""))


def plain(text: str) -> str:
    """What others wrote must not steer the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)


def counted(states: Mapping[State, int] | Mapping[str, int]) -> "Text":
    """`RUNNING 3  COMPLETE 17`."""
    from rich.text import Text

    parts = [
        Text.assemble(shown(state), f" {states[state]}") for state in State if states.get(state)
    ]
    return Text("  ").join(parts)


def ago(at: str | None, now: datetime | None = None) -> str:
    """`3 min ago` or `in 2 h` of a time as the API writes it; nothing of nothing."""
    if not at:
        return ""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(at)).total_seconds()
    length = _length(abs(seconds))
    return f"{length} ago" if seconds >= 0 else f"in {length}"


def _length(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def tasks(count: int) -> str:
    return f"{count} task" if count == 1 else f"{count} tasks"


def clock(at: str) -> str:
    """The time of day here, to the millisecond."""
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S.%f")[:-3]


def moved(previous: str, state: str) -> "Text":
    from rich.text import Text

    return Text.assemble((previous, "dim"), (" → ", "dim"), shown(state))


def warning(sentence: str) -> "Text":
    from rich.text import Text

    return Text(plain(sentence), style="yellow")


class Bars:
    """Bars below each other, over the width that the words leave."""

    def __init__(self) -> None:
        from rich.table import Table

        self.table = Table.grid(expand=True, padding=(0, 2, 0, 0))
        self.table.add_column(no_wrap=True, style="bold")
        self.table.add_column(ratio=1)
        self.table.add_column(no_wrap=True)

    def add(self, name: str, done: int, total: int, words: str) -> None:
        from rich.progress_bar import ProgressBar

        self.table.add_row(name, ProgressBar(total=total, completed=done), words)
