"""What the demonstration looks like."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.demo.tally import Inbox, Outcome, Sent, percentile

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

    from callback_service.entrypoints.cli.demo.performance import Performance

_LAST_TASKS = 6


@contextmanager
def drawing(*, quiet: bool) -> Iterator[Callable[["Performance"], None]]:
    """Hands out what draws the next picture; where nobody looks on, it does nothing."""
    from rich.live import Live

    console = output.new_console()
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda performance: live.update(_picture(performance), refresh=True)


def _picture(performance: "Performance") -> "Group":
    from rich.console import Group
    from rich.text import Text

    planned, sent = performance.plan.updates, performance.sent
    bars = output.Bars()
    bars.add("TES server", sent.count, planned, f"{sent.count} of {planned} callbacks acknowledged")
    for inbox in (follower.inbox for follower in performance.followers):
        words = f"{inbox.count} of {planned} updates received"
        bars.add(inbox.name, inbox.count, planned, words)
    to_come = f"to come {performance.plan.tasks - len(sent.changes)}"
    states = Text("  ").join([Text(to_come), output.counted(sent.states)])
    return Group("", bars.table, "", states, "", _last_tasks(sent), "")


def _last_tasks(sent: Sent) -> "RenderableType":
    """How the tasks moved that moved last."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for task_id, changes in list(sent.changes.items())[-_LAST_TASKS:]:
        way = Text(" → ", "dim").join(output.shown(state) for state, _ in changes)
        table.add_row(task_id, way)
    return table


def print_outcome(outcome: Outcome) -> None:
    from rich.table import Table
    from rich.text import Text

    sent = outcome.sent
    again = f", {sent.again} of them not at the first attempt" if sent.again else ""
    console = output.new_console()
    console.print(
        f"{len(sent.changes)} tasks, {sent.count} updates acknowledged in "
        f"{outcome.seconds:.1f} s{again}."
    )
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for inbox in outcome.inboxes:
        table.add_column(inbox.name, justify="right")
    for name, cell in _ROWS.items():
        table.add_row(name, *(cell(inbox, sent) for inbox in outcome.inboxes))
    console.print(table)
    verdict, style = _verdict(outcome)
    console.print(Text(verdict, style=style))


_ROWS: dict[str, Callable[[Inbox, Sent], str]] = {
    "updates received": lambda inbox, _: str(inbox.count),
    "lost": lambda inbox, sent: str(inbox.lost(sent)),
    "out of order": lambda inbox, _: str(inbox.out_of_order),
    "told twice": lambda inbox, _: str(inbox.repeated),
    "not signed rightly": lambda inbox, _: str(inbox.unverified),
    "delay, half within": lambda inbox, sent: _delay(inbox, sent, 0.5),
    "delay, 99 % within": lambda inbox, sent: _delay(inbox, sent, 0.99),
}


def _delay(inbox: Inbox, sent: Sent, share: float) -> str:
    delay = percentile(inbox.delays(sent), share)
    return "?" if delay is None else f"{delay * 1000:.0f} ms"


def _verdict(outcome: Outcome) -> tuple[str, str]:
    if outcome.is_good:
        return "Nothing was lost, and everything came in order.", "bold green"
    missing = outcome.planned - outcome.sent.count
    if missing:
        return f"{missing} callbacks were not acknowledged in time.", "bold red"
    return "Updates were lost, came out of order or were not signed rightly.", "bold red"
