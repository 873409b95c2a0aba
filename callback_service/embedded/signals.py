"""Signals as something that the one loop of `up` can wait for."""

import select
import signal
import socket
import time
from types import FrameType, TracebackType
from typing import Self

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Launchers such as `make` pass on the Ctrl-C that the terminal sent to us as well.
_SAME_CTRL_C = 0.5


class Signals:
    """Counts requests to stop, and wakes `wait` at those and at the death of a child."""

    def __init__(self) -> None:
        self.stop_asked = False
        self.force_asked = False
        self._first_asked_at = 0.0

    def __enter__(self) -> Self:
        self._ear, self._mouth = socket.socketpair()
        for end in (self._ear, self._mouth):
            end.setblocking(False)  # noqa: FBT003  it takes no keyword
        self._wakeup_before = signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        self._handlers_before = {
            number: signal.signal(number, self._ask_to_stop)
            for number in _STOP
            if not _is_shielded(number)
        }
        # Without a handler the death of a child wakes nobody.
        self._handlers_before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _wake_only)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._ear.close()
        self._mouth.close()

    def wait(self, seconds: float) -> None:
        """Until a signal came, `seconds` at the longest."""
        if select.select([self._ear], [], [], max(0.0, seconds))[0]:
            self._ear.recv(4096)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.stop_asked:
            self.stop_asked, self._first_asked_at = True, now
        elif now - self._first_asked_at > _SAME_CTRL_C:
            self.force_asked = True


def _is_shielded(number: signal.Signals) -> bool:
    """`nohup` wants that closing the terminal ends nothing."""
    return number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN


def _wake_only(_number: int, _frame: FrameType | None) -> None:
    """The wakeup descriptor has done it."""
