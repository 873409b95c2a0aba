"""A command on a terminal, as a person sees it."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time

_STEERING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# What leads back from the second screen of a terminal to the first.
_BACK = "\x1b[?1049l"


def _environ():
    """Without the size of another terminal, which a program would take for that of its own."""
    return {name: it for name, it in os.environ.items() if name not in {"COLUMNS", "LINES"}}


class Terminal:
    """Runs `callback-service` with these arguments on a terminal of so many columns and lines."""

    def __init__(self, arguments, environ, *, columns=80, lines=24):
        self._main, other = pty.openpty()
        self._bytes = b""
        self.resize(columns, lines)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "callback_service", *arguments],
            env={**_environ(), "TERM": "xterm-256color", **environ},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def resize(self, columns, lines):
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def send_signal(self, number):
        self._process.send_signal(number)

    @property
    def raw(self):
        return self._bytes.decode(errors="replace")

    @property
    def shown(self):
        """All that was ever shown, without colours and movements."""
        return _STEERING.sub("", self.raw)

    @property
    def last_frame(self):
        """What the second screen shows."""
        *_, frame = self.raw.split("\x1b[H")
        return _STEERING.sub("", frame)

    @property
    def left(self):
        """What stays on the first screen."""
        _, _, text = self.raw.rpartition(_BACK)
        return _STEERING.sub("", text)

    def until_shown(self, text, patience=30):
        deadline = time.monotonic() + patience
        while text not in self.shown:
            assert time.monotonic() < deadline, self.last_frame
            assert self._process.poll() is None, self.shown
            time.sleep(0.02)

    def end(self, patience=30):
        """Its exit code, when it has ended by itself and all is read."""
        code = self._process.wait(patience)
        self._reading.join(patience)
        return code

    def remove(self):
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._reading.join()
        os.close(self._main)

    def _read(self):
        # A terminal whose last process has ended is an error to read, on Linux.
        with contextlib.suppress(OSError):
            while piece := os.read(self._main, 65536):
                self._bytes += piece
