"""What processes hold on to: memory, files, sockets."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    """`memory` in MiB."""

    memory: float = 0
    files: int = 0
    sockets: int = 0


def usage_of(pid: int) -> Usage:
    """Of a process and all that it started, however indirectly."""
    each = [_of_one(one) for one in _family(pid)]
    return Usage(*(sum(values) for values in zip(*each, strict=True)))


def _family(pid: int) -> Iterator[int]:
    yield pid
    # One that has just ended has nothing any more.
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            yield from _family(int(child))


def _of_one(pid: int) -> Usage:
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        open_ones = [_target(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
        sockets = sum(target.startswith("socket:") for target in open_ones)
        return Usage(pages * 4096 / 2**20, len(open_ones) - sockets, sockets)
    return Usage()


def _target(descriptor: Path) -> str:
    with suppress(OSError):
        return str(descriptor.readlink())
    return ""
