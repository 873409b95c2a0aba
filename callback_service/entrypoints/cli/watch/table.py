"""What `runs watch` draws, for a window of any size."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from callback_service.domain.states import State
from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.service_client import Json
from callback_service.entrypoints.cli.watch.progress import Estimate, Progress, StateRow
from callback_service.entrypoints.cli.watch.standing import tasks_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.constrain import Constrain
    from rich.table import Table
    from rich.text import Text

# Below the one there is no room for bars beside the counts; beyond the other, eyes lose the line.
_WIDE, _WIDEST = 60, 100
# So many are shown one by one, where they fit.
_FEW_TASKS = 12
_FAILURES, _CHANGES = 10, 8
# A heading, and an empty line above.
_HEADING = 2
_NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be drawn at the moment `now`, into so many columns and lines."""

    progress: Progress
    run: Json
    now: float
    width: int
    height: int
    notice: str = ""
    is_away: bool = False

    @property
    def total(self) -> int:
        return max(tasks_of(self.run), self.progress.heard)

    @property
    def is_wide(self) -> bool:
        return self.width >= _WIDE


def drawn(scene: Scene) -> "Constrain":
    """The summary first, then as many of the tasks as there are lines left."""
    from rich.console import Group
    from rich.constrain import Constrain

    rows = scene.progress.rows(scene.total, scene.now)
    parts: list[RenderableType] = [_title(scene), *_problems(scene), _bar(scene), _ending(scene)]
    if rows:
        parts += ["", _states(scene, rows)]
    left = scene.height - len(parts) - len(rows) - 1
    for part, lines in _tasks(scene, left):
        parts += ["", part]
        left -= lines
    return Constrain(Group(*parts), _WIDEST)


def _title(scene: Scene) -> "Text":
    from rich.text import Text

    run = scene.run
    name = Text(output.plain(run["name"]) or run["id"], style="bold")
    # The status is short, and still seen beside a long name.
    name.truncate(max(min(scene.width, _WIDEST) - len(run["status"]) - 2, 1), overflow="ellipsis")
    owed = f"  still owed updates of {output.tasks(run['owed'])}" if run["owed"] else ""
    return _line(Text.assemble(name, "  ", output.shown(run["status"]), owed))


def _problems(scene: Scene) -> "Iterator[Text]":
    from rich.text import Text

    if scene.notice:
        style = "bold yellow" if scene.is_away else "dim"
        yield _line(Text(output.plain(scene.notice), style=style))
    if problem := scene.run.get("last_error", ""):
        yield _line(output.warning(problem))


def _bar(scene: Scene) -> "RenderableType":
    ended, total = scene.progress.ended, scene.total
    if not total:
        return "No task has been heard of yet."
    bars = output.Bars()
    words = f"{ended:,} of {total:,} have ended" if scene.is_wide else f"{ended:,} of {total:,}"
    bars.add("tasks", ended, total, words)
    return bars.table


def _ending(scene: Scene) -> "Text":
    from rich.text import Text

    progress = scene.progress
    if scene.total and progress.ended == scene.total:
        return _line(Text(f"All have ended, after {duration(progress.span(scene.now))}."))
    # Nobody knows how it goes on while the service is away.
    found = None if scene.is_away else progress.estimate(scene.total, scene.now)
    return _line(Text(f"estimated end  {_estimated(found, scene) if found else _NOTHING}"))


def _estimated(found: Estimate, scene: Scene) -> str:
    at = _clock(scene.now + found.seconds, scene.now)
    rate = f", at {_rate(found.rate)}" if scene.is_wide else ""
    return f"about {at}, in {duration(found.seconds)}{rate}"


def _states(scene: Scene, rows: Sequence[StateRow]) -> "Table":
    from rich.progress_bar import ProgressBar

    table = _table(scene)
    table.add_column("STATE", no_wrap=True)
    table.add_column("TASKS", justify="right", no_wrap=True)
    if scene.is_wide:
        table.add_column(ratio=1)
    table.add_column("MEDIAN", justify="right", no_wrap=True)
    table.add_column("LONGEST", justify="right", no_wrap=True)
    for row in rows:
        bar = [ProgressBar(total=scene.total, completed=row.tasks)] if scene.is_wide else []
        times = (_maybe(row.median, row.state), _maybe(row.longest, row.state))
        table.add_row(output.shown(row.state), f"{row.tasks:,}", *bar, *times)
    return table


def _tasks(scene: Scene, left: int) -> "Iterator[tuple[Table, int]]":
    """Tables, and how many lines each takes: all tasks if they are few, else the notable ones."""
    progress = scene.progress
    if 0 < progress.heard <= _FEW_TASKS and progress.heard + _HEADING <= left:
        yield _every_task(scene), progress.heard + _HEADING
        return
    failed = len(progress.failures())
    if failed:
        # Half of the room at most, so that what happens is seen as well.
        shown = min(failed, _FAILURES, max((left - _HEADING) // 2, 1))
        yield _failed(scene, shown), shown + _HEADING
        left -= shown + _HEADING
    if progress.heard and left > _HEADING:
        shown = min(_CHANGES, left - _HEADING)
        yield _changed(scene, shown), shown + _HEADING


def _every_task(scene: Scene) -> "Table":
    table = _table(scene)
    table.add_column("TASK", no_wrap=True, ratio=1, overflow="ellipsis")
    table.add_column("STATE", no_wrap=True)
    table.add_column("TIME", justify="right", no_wrap=True)
    for task in scene.progress.tasks():
        took = duration(scene.progress.seconds(task, scene.now))
        table.add_row(output.shown(task.id), output.shown(task.state), took)
    return table


def _failed(scene: Scene, shown: int) -> "Table":
    failures = scene.progress.failures()
    more = "" if shown == len(failures) else f", the last {shown}"
    table = _table(scene)
    table.add_column(f"FAILED: {len(failures):,}{more}", no_wrap=True, ratio=1, overflow="ellipsis")
    table.add_column("", no_wrap=True)
    if scene.is_wide:
        table.add_column("", no_wrap=True)
    for task in failures[:shown]:
        at = [_clock(task.ended or 0.0, scene.now)] if scene.is_wide else []
        table.add_row(output.shown(task.id), output.shown(task.state), *at)
    return table


def _changed(scene: Scene, shown: int) -> "Table":
    table = _table(scene)
    table.add_column("LAST CHANGES", no_wrap=True, ratio=1, overflow="ellipsis")
    table.add_column("", no_wrap=True)
    if scene.is_wide:
        table.add_column("", no_wrap=True)
    for one in scene.progress.changes(shown):
        move = output.moved(one.previous, one.state) if scene.is_wide else output.shown(one.state)
        at = [_clock(one.at, scene.now)] if scene.is_wide else []
        table.add_row(output.shown(one.task_id), move, *at)
    return table


def _table(scene: Scene) -> "Table":
    from rich.table import Table

    gap = 2 if scene.is_wide else 1
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), expand=True, header_style="bold")


def _line(text: "Text") -> "Text":
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _maybe(seconds: float | None, state: State) -> str:
    if seconds is not None:
        return duration(seconds)
    return "" if state.is_final else _NOTHING


def duration(seconds: float) -> str:
    """`0.3 s`, `42 s`, `3 min 20 s`, `2 h 5 min` or `3 d 4 h`: two units are enough."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for (unit, size), (part, smaller) in pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def _rate(rate: float) -> str:
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1:
            return f"{rate * seconds:.3g} tasks/{unit}"
    return f"{rate * 86_400:.2g} tasks/d"


def _clock(at: float, now: float) -> str:
    """The time of day here, with the day where it is another one."""
    is_today = time.localtime(at)[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M", time.localtime(at))
