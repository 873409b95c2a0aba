"""`runs watch`: how a run's tasks move, until all have ended."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from callback_service.entrypoints.cli import output
from callback_service.entrypoints.cli.failures import ExitCode
from callback_service.entrypoints.cli.service_client import (
    Json,
    Refused,
    ServiceClient,
    Unavailable,
    path_of,
)
from callback_service.entrypoints.cli.watch.feed import Feed
from callback_service.entrypoints.cli.watch.lines import JsonLines, Lines
from callback_service.entrypoints.cli.watch.progress import Progress
from callback_service.entrypoints.cli.watch.screen import Screen
from callback_service.entrypoints.cli.watch.standing import has_ended, not_well

# For how long an answer is held back; what changes without an update is seen after it.
_WAIT = 3.0
# Updates that come one by one are asked for some at a time.
_BREATH = 0.1
# Counting a large run costs the service more than reading what is new.
_LOOK_EVERY = 1.0
_FIRST_RETRY, _LAST_RETRY = 0.5, 5.0


def watch(service: ServiceClient, run_id: str, *, as_json: bool, stay: bool) -> None:
    """Until all tasks have ended, or with `stay` until the run has; the exit code says how."""
    # What is unknown or unreachable now is said; what is away later is waited for.
    run = service.get(path_of("runs", run_id))
    progress = Progress()
    try:
        with _screen(progress, as_json=as_json) as screen:
            screen.stand(run)
            run = _Watch(service, run, progress, screen, stay=stay).to_the_end()
    except KeyboardInterrupt as error:
        raise typer.Exit(ExitCode.INTERRUPTED) from error
    if not_well(run):
        raise typer.Exit(ExitCode.FAILED)


class _Watch:
    def __init__(
        self, service: ServiceClient, run: Json, progress: Progress, screen: Screen, *, stay: bool
    ) -> None:
        self._service = service
        self._run = run
        self._progress = progress
        self._screen = screen
        self._stay = stay
        self._feed = Feed(service, run["id"])
        self._looked_at = time.monotonic()
        self._failures = 0

    def to_the_end(self) -> Json:
        """The run as it was seen last."""
        while True:
            try:
                if self._has_read_all():
                    return self._run
                self._note_answer()
            except Unavailable as error:
                self._note_silence(str(error))
            except Refused as error:
                # It was there before: that is how runs end that are followed for longer.
                if self._stay and error.status == 404:
                    return self._run
                raise

    def _has_read_all(self) -> bool:
        # That all have ended was seen before the page was read, so there is nothing after it.
        is_over = not self._stay and not self._progress.open and has_ended(self._run)
        updates, there_is_more = self._feed.next(wait=0 if is_over else _WAIT)
        self._screen.tell(updates)
        if is_over and not updates and not there_is_more:
            return True
        is_due = time.monotonic() - self._looked_at >= _LOOK_EVERY
        if is_due or not updates or not self._progress.open:
            self._look()
        if not there_is_more:
            time.sleep(_BREATH)
        return False

    def _look(self) -> None:
        self._run = self._service.get(path_of("runs", self._run["id"]))
        self._looked_at = time.monotonic()
        self._screen.stand(self._run)

    def _note_answer(self) -> None:
        if self._failures:
            self._failures = 0
            self._screen.greet(f"{self._service.url} is back.")

    def _note_silence(self, sentence: str) -> None:
        # Said once, however often it is tried again, and whatever is in the way then.
        if not self._failures:
            self._screen.miss(f"{sentence} Asking again…")
        time.sleep(min(_FIRST_RETRY * 2.0 ** min(self._failures, 16), _LAST_RETRY))
        self._failures += 1


@contextmanager
def _screen(progress: Progress, *, as_json: bool) -> Iterator[Screen]:
    console: Any = output.new_console()
    if as_json:
        yield JsonLines(progress)
    elif not sys.stdout.isatty() or console.is_dumb_terminal:
        yield Lines(progress)
    else:
        from callback_service.entrypoints.cli.watch.picture import picture

        with picture(console, progress) as screen:
            yield screen
