"""Keeps the processes of the service alive, and ends them in order."""

import time
from collections.abc import Callable, Sequence
from itertools import groupby

from callback_service.embedded.child import Child
from callback_service.embedded.errors import GaveUp
from callback_service.embedded.signals import Signals

# A death wakes the loop; this is for what announces itself by nothing, such as a log's size.
_LOOK_AROUND = 5.0
# Nobody says when there is room on a disk again.
_LOOK_FOR_ROOM = 1.0


class Supervisor:
    """All in one thread: to Linux, the thread that starts a child is the parent it dies with."""

    def __init__(
        self, children: Sequence[Child], signals: Signals, tell: Callable[[str], None]
    ) -> None:
        self._children = sorted(children, key=lambda child: child.command.stage)
        self._signals = signals
        self._tell = tell

    def start(self) -> None:
        # The database first, which the others ask for first.
        for child in reversed(self._children):
            child.start()

    def wait_until(self, is_ready: Callable[[], bool], within: float) -> bool:
        """False if somebody asked to stop meanwhile."""
        deadline = time.monotonic() + within
        while not self._signals.stop_asked:
            if is_ready():
                return True
            if time.monotonic() > deadline:
                raise GaveUp(f"The service is not ready after {within:.0f} s.")
            self._tend()
            self._signals.wait(0.05)
        return False

    def watch(self) -> None:
        """Return when somebody asked to stop."""
        while not self._signals.stop_asked:
            self._tend()
            self._signals.wait(self._until_next_restart())

    def stop(self) -> None:
        for _, stage in groupby(self._children, key=lambda child: child.command.stage):
            self._stop_stage(list(stage))

    def _tend(self) -> None:
        for child in self._children:
            if child.has_said_its_last():
                child.kill()
            if child.has_died():
                self._note_death(child)
            elif child.restart_at is not None and time.monotonic() >= child.restart_at:
                self._start_again(child)
            child.log.bound()

    def _start_again(self, child: Child) -> None:
        """On a full disk it would die again, until it was given up."""
        if child.has_room():
            child.start()
        else:
            child.restart_at = time.monotonic() + _LOOK_FOR_ROOM

    def _note_death(self, child: Child) -> None:
        how = child.bury()
        last_lines = "".join(f"\n  | {line}" for line in child.log.last_lines())
        self._tell(f"The {child.name} ended unexpectedly ({how}).{last_lines}")
        if child.is_hopeless():
            raise GaveUp(
                f"The {child.name} died {child.quick_deaths} times in quick succession; "
                f"its log is {child.command.log}."
            )
        room = child.command.room
        if room and not room.is_there():
            self._tell(f"{room.folder} is on a disk that is full: less than {room.mebibytes} MiB.")
            self._tell(f"The {child.name} is started again once there is room.")
            return
        self._tell(f"Starting the {child.name} again.")

    def _until_next_restart(self) -> float:
        due = [child.restart_at for child in self._children if child.restart_at is not None]
        return min([_LOOK_AROUND, *(at - time.monotonic() for at in due)])

    def _stop_stage(self, stage: list[Child]) -> None:
        for child in stage:
            child.terminate()
        deadline = time.monotonic() + max(child.command.grace for child in stage)
        while any(child.is_alive() for child in stage) and time.monotonic() < deadline:
            if self._signals.force_asked:
                break
            self._signals.wait(deadline - time.monotonic())
        for child in stage:
            child.kill()
