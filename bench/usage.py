"""CPU seconds and memory of processes and all their descendants, as Linux accounts for them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu` in seconds since the start; `memory` in MiB, shared pages divided among their users."""

    cpu: float = 0.0
    memory: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu + other.cpu, self.memory + other.memory)


def usage_of(root: int) -> Usage:
    """Nothing where there is no /proc."""
    return sum((_usage(pid) for pid in _tree(root)), Usage())


def _tree(root: int) -> Iterator[int]:
    yield root
    for children in _PROC.glob(f"{root}/task/*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from _tree(int(child))


def _usage(pid: int) -> Usage:
    try:
        # The name, in brackets, may hold anything.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
        shares = (_PROC / str(pid) / "smaps_rollup").read_text().split("\n")
    except OSError:  # it has just ended, or there is no /proc
        return Usage()
    # Those of children that have ended, too.
    ticks = sum(map(int, fields[11:15]))
    kilobytes = next((int(line.split()[1]) for line in shares if line.startswith("Pss:")), 0)
    return Usage(ticks * _TICK, kilobytes / 1024)
