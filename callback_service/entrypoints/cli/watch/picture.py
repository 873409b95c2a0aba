"""`runs watch` on a terminal: a picture that changes, and stays as it was in the end."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from callback_service.entrypoints.cli.service_client import Json
from callback_service.entrypoints.cli.watch.progress import Progress
from callback_service.entrypoints.cli.watch.table import Scene, drawn

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_FRAMES_PER_SECOND = 4
# What is left behind scrolls, and may be longer than the window.
_LAST_HEIGHT = 40
_TERMINATED = 128 + signal.SIGTERM


@contextmanager
def picture(console: "Console", progress: Progress) -> Iterator["Picture"]:
    from rich.live import Live

    screen = Picture(console, progress)
    # Whoever ends it so gets his terminal back, too.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        # On the terminal's second screen, for there a resize leaves no pieces behind.
        with Live(
            get_renderable=screen.draw,
            console=console,
            screen=True,
            refresh_per_second=_FRAMES_PER_SECOND,
        ):
            yield screen
    finally:
        signal.signal(signal.SIGTERM, before)
        console.print(screen.draw(max(_LAST_HEIGHT, console.height)))


class Picture:
    """Drawn by a thread of its own, for times go on while there is no news."""

    def __init__(self, console: "Console", progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._lock = threading.Lock()
        self._run: Json = {}
        self._notice = ""
        self._is_away = False

    def tell(self, updates: list[Json]) -> None:
        with self._lock:
            for update in updates:
                self._progress.take(update)

    def stand(self, run: Json) -> None:
        with self._lock:
            self._run = run

    def miss(self, sentence: str) -> None:
        self._note(sentence, is_away=True)

    def greet(self, sentence: str) -> None:
        self._note(sentence, is_away=False)

    def _note(self, sentence: str, *, is_away: bool) -> None:
        at = time.strftime("%H:%M:%S")
        with self._lock:
            self._notice, self._is_away = f"{at}  {sentence}", is_away

    def draw(self, height: int | None = None) -> "RenderableType":
        with self._lock:
            if not self._run:
                return ""
            scene = Scene(
                self._progress,
                self._run,
                time.time(),
                self._console.width,
                height or self._console.height,
                self._notice,
                self._is_away,
            )
            return drawn(scene)
