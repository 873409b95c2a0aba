"""`runs watch` for pipes: each update is a line."""

import typer

from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.service_client import Json
from callback_service.entrypoints.cli.watch.progress import Progress
from callback_service.entrypoints.cli.watch.standing import tasks_of


class JsonLines:
    """As the API writes them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def tell(self, updates: list[Json]) -> None:
        for update in updates:
            self._progress.take(update)
            output.print_json_line(update)

    def stand(self, run: Json) -> None:
        pass

    def miss(self, sentence: str) -> None:
        typer.echo(sentence, err=True)

    def greet(self, sentence: str) -> None:
        typer.echo(sentence, err=True)


class Lines:
    """In words, and how it stands where that is news."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._said = ""

    def tell(self, updates: list[Json]) -> None:
        for update in updates:
            self._progress.take(update)
            at, task = output.clock(update["at"]), output.plain(update["task_id"])
            typer.echo(f"{at}  {task}  {update['previous']} -> {update['state']}")

    def stand(self, run: Json) -> None:
        sentence = _sentence(self._progress, tasks_of(run))
        if sentence != self._said:
            typer.echo(sentence)
        self._said = sentence

    def miss(self, sentence: str) -> None:
        typer.echo(sentence, err=True)

    def greet(self, sentence: str) -> None:
        typer.echo(sentence, err=True)


def _sentence(progress: Progress, total: int) -> str:
    """By what was told, so that it is true of the lines above it."""
    if progress.open or not progress.heard >= total > 0:
        return f"{progress.ended} of {max(total, progress.heard)} tasks have ended."
    failed = len(progress.failures())
    otherwise = f", {failed} of them not well" if failed else ""
    return f"All have ended: {output.tasks(progress.heard)}{otherwise}."
