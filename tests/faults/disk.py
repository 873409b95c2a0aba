"""A disk of its own for a data folder, so small that it can be filled."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import missing

_AT_ONCE = 4096


class SmallDisk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """To the last page."""
        with self._ballast.open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(_AT_ONCE))
            except OSError:
                return

    def free(self) -> None:
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """In memory. Only root may mount one: others skip, but where all tests must have run."""
    folder.mkdir(parents=True)
    options = f"size={mebibytes}m,uid={os.getuid()},gid={os.getgid()},mode=0700"
    mounted = _as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if mounted:
        missing(f"a disk that can be filled ({mounted})")
    try:
        yield SmallDisk(folder)
    finally:
        # Even if something that was killed has not let go of it yet.
        _as_root("umount", "--lazy", str(folder))


def _as_root(*command: str) -> str:
    """What went wrong, if anything. Nobody's own machine is changed by way of his sudo."""
    if os.getuid() and not os.environ.get("CI"):
        return "only root can mount it"
    ways = [] if os.getuid() == 0 else ["sudo", "--non-interactive"]
    if shutil.which([*ways, *command][0]) is None:
        return f"{[*ways, *command][0]} is missing"
    done = subprocess.run([*ways, *command], capture_output=True, text=True, check=False)
    return done.stderr.strip() or "it was refused" if done.returncode else ""
