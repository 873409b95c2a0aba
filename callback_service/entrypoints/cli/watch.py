"""`runs watch`: how a run's tasks move, until all have ended."""

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from callback_service.domain.states import FINAL
from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.service_client import (
    Json,
    Refused,
    ServiceClient,
    Unavailable,
    path_of,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

# For how long an answer is held back; what changes without an update is seen after it.
_WAIT = 3.0
_PAGE = 1000
# Updates that come one by one are asked for some at a time.
_BREATH = 0.1
_RETRY = 1.0
_LAST_UPDATES = 8


class Screen(Protocol):
    def tell(self, updates: list[Json]) -> None:
        """What is new."""

    def stand(self, run: Json) -> None:
        """How it stands after that."""

    def worry(self, sentence: str) -> None:
        """The service is away; it is asked again."""


def watch(service: ServiceClient, run_id: str, *, as_json: bool) -> None:
    """Until all tasks have ended, or Ctrl-C, which is no failure."""
    # What is unknown or unreachable now is said; what is away later is waited for.
    run = service.get(path_of("runs", run_id))
    with contextlib.suppress(KeyboardInterrupt), _screen(as_json=as_json) as screen:
        screen.stand(run)
        _Watch(service, run, screen).to_the_end()


class _Watch:
    def __init__(self, service: ServiceClient, run: Json, screen: Screen) -> None:
        self._service = service
        self._run = run
        self._screen = screen
        self._feed = Feed(service, run["id"])

    def to_the_end(self) -> None:
        worry = ""
        while True:
            try:
                if self._has_read_all():
                    return
                worry = ""
            except Unavailable as error:
                # Said once, however often it is tried again.
                if str(error) != worry:
                    worry = str(error)
                    self._screen.worry(f"{worry} Asking again…")
                time.sleep(_RETRY)

    def _has_read_all(self) -> bool:
        ended = has_ended(self._run)
        updates, there_is_more = self._feed.next(wait=0 if ended else _WAIT)
        self._screen.tell(updates)
        if ended and not updates and not there_is_more:
            return True
        self._run = self._service.get(path_of("runs", self._run["id"]))
        self._screen.stand(self._run)
        if not there_is_more:
            time.sleep(_BREATH)
        return False


class Feed:
    """The updates of a run, each once."""

    def __init__(self, service: ServiceClient, run_id: str) -> None:
        self._service = service
        self._path = path_of("runs", run_id, "updates")
        self._cursor = ""
        self._told: dict[tuple[str, str], int] = {}

    def next(self, wait: float) -> tuple[list[Json], bool]:
        """What is new, and whether more is there already."""
        query = {"after": self._cursor, "wait": wait, "page_size": _PAGE}
        try:
            page = self._service.get(self._path, query, wait)
        except Refused as error:
            if error.status != 410 or not self._cursor:
                raise
            # Older than what is kept. What is told again from the beginning is left out below.
            self._cursor = ""
            return [], True
        self._cursor = page["cursor"]
        return [one for one in page["updates"] if self._is_new(one)], len(page["updates"]) >= _PAGE

    def _is_new(self, update: Json) -> bool:
        key = update["server"], update["task_id"]
        if update["seq"] <= self._told.get(key, 0):
            return False
        self._told[key] = update["seq"]
        return True


def has_ended(run: Json) -> bool:
    return bool(run["tasks"]) and not run["tasks"].keys() - FINAL


def _ended_of(run: Json) -> tuple[int, int]:
    counts: dict[str, int] = run["tasks"]
    return sum(counts.get(state, 0) for state in FINAL), sum(counts.values())


@contextmanager
def _screen(*, as_json: bool) -> Iterator[Screen]:
    console = output.new_console()
    if as_json:
        yield JsonLines()
    elif not console.is_terminal:
        yield Lines()
    else:
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as live:
            yield Picture(live)


class JsonLines:
    """Each update is a line, as the API writes it."""

    def tell(self, updates: list[Json]) -> None:
        for update in updates:
            output.print_json_line(update)

    def stand(self, run: Json) -> None:
        pass

    def worry(self, sentence: str) -> None:
        typer.echo(sentence, err=True)


class Lines:
    """For pipes: each update is a line, and the end."""

    def tell(self, updates: list[Json]) -> None:
        for update in updates:
            at, task = output.clock(update["at"]), output.plain(update["task_id"])
            typer.echo(f"{at}  {task}  {update['previous']} -> {update['state']}")

    def stand(self, run: Json) -> None:
        ended, tasks = _ended_of(run)
        if has_ended(run):
            typer.echo(f"All have ended: {output.tasks(tasks)}.")
        else:
            typer.echo(f"{ended} of {output.tasks(tasks)} have ended.")

    def worry(self, sentence: str) -> None:
        typer.echo(sentence, err=True)


class Picture:
    """For people: one picture that changes."""

    def __init__(self, live: "Live") -> None:
        self._live = live
        self._run: Json = {}
        self._last: deque[Json] = deque(maxlen=_LAST_UPDATES)
        self._worry = ""

    def tell(self, updates: list[Json]) -> None:
        self._last.extend(updates)

    def stand(self, run: Json) -> None:
        self._run, self._worry = run, ""
        self._draw()

    def worry(self, sentence: str) -> None:
        self._worry = sentence
        self._draw()

    def _draw(self) -> None:
        from rich.console import Group

        parts: list[RenderableType] = [
            self._title(),
            self._bar(),
            output.counted(self._run["tasks"]),
        ]
        if self._last:
            parts += ["", self._updates()]
        if problem := self._worry or self._run.get("last_error", ""):
            parts += ["", output.warning(problem)]
        self._live.update(Group(*parts), refresh=True)

    def _title(self) -> "RenderableType":
        from rich.text import Text

        name = output.plain(self._run["name"]) or self._run["id"]
        owed = (
            f"  still owed updates of {output.tasks(self._run['owed'])}"
            if self._run["owed"]
            else ""
        )
        return Text.assemble((name, "bold"), "  ", output.shown(self._run["status"]), owed)

    def _bar(self) -> "RenderableType":
        ended, tasks = _ended_of(self._run)
        if not tasks:
            return "No task has been heard of yet."
        bars = output.Bars()
        bars.add("tasks", ended, tasks, f"{ended} of {tasks} have ended")
        return bars.table

    def _updates(self) -> "RenderableType":
        from rich.table import Table

        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(3):
            table.add_column(no_wrap=True)
        for one in self._last:
            move = output.moved(one["previous"], one["state"])
            table.add_row(output.clock(one["at"]), output.shown(one["task_id"]), move)
        return table
