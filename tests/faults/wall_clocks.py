"""A wall clock for each process, which can be set while it runs; clocks that nobody sets go on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services import missing

_SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClocks:
    """By the names of the processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "clocks"
        self._folder.mkdir()
        self.library = _compiled(self._folder)

    def environ_of(self, name: str) -> dict[str, str]:
        self.set(0, name)
        return {"LD_PRELOAD": str(self.library), "WALL_CLOCK_AHEAD": str(self._folder / name)}

    def set(self, ahead: int, *names: str) -> None:
        """So many seconds before the true time; before which it is where there are fewer than 0."""
        for name in names:
            # Written in place and at once: processes look at the file itself, amid everything.
            file = os.open(self._folder / name, os.O_CREAT | os.O_WRONLY, 0o600)
            os.write(file, ahead.to_bytes(8, sys.byteorder, signed=True))
            os.close(file)

    def is_in(self, pid: int) -> bool:
        """Whether the process has a clock that can be set here."""
        return str(self.library) in Path(f"/proc/{pid}/maps").read_text()


def _compiled(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        missing("a C compiler on Linux")
    library = folder / "wall_clock.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return library
