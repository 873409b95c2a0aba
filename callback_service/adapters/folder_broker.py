"""Kombu's filesystem transport, for doorbells: whole messages in one folder, and nothing besides.

Kombu writes a message under the name by which readers look for it, and a reader
that comes between the creating and the writing takes an empty file and dies of
it, as it does of a missing folder. And it keeps in files which queues there are,
so that whoever empties its folders ends all deliveries until the next start.
Kombu also looks into the folder again and again; here a named pipe in it wakes the readers.
"""

import json
import os
import select
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem

BELL = "bell"
# Seconds in which a reader that heard nothing looks all the same: another may have heard it alone.
PATIENCE = 0.1
# Seconds in which one that has its hands full looks whether it has them free.
IMPATIENCE = 0.001


class Channel(filesystem.Channel):
    """Renaming is what makes a message appear, and what makes it one reader's own."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]  # kombu's own
        folder = Path(self.data_folder_out)
        # In the order of their names, which is that of their times.
        path = folder / f"{time.monotonic_ns():020}_{uuid.uuid4()}.{queue}.msg"
        draft = path.with_suffix(".draft")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(payload), encoding="utf-8")
            draft.replace(path)
            _ring(folder)
        except OSError as error:
            raise ChannelError(f"cannot write to {folder}") from error

    def _get(self, queue: str, timeout: Any = None) -> Any:  # noqa: ARG002  kombu's signature
        for name in sorted(_names_in(self.data_folder_in)):
            if name.endswith(f".{queue}.msg"):
                message = Path(self.data_folder_in, name)
                taken = message.with_suffix(".taken")
                # It may be another reader's by now.
                with suppress(OSError):
                    message.replace(taken)
                    text = taken.read_text(encoding="utf-8")
                    taken.unlink()
                    return json.loads(text)
        raise Empty

    def _size(self, queue: str) -> int:
        names = _names_in(self.data_folder_in)
        return sum(name.endswith(f".{queue}.msg") for name in names)

    def _queue_bind(self, *_: Any) -> None:
        """Nothing to keep: a queue is where messages with its name lie."""

    def _lookup(self, _exchange: str, routing_key: str, _default: Any = None) -> list[str]:
        return [routing_key]


class Transport(filesystem.Transport):
    Channel = Channel

    def drain_events(self, connection: Any, timeout: float = PATIENCE, **_: Any) -> None:  # noqa: ARG002
        """One look, or one wait: between them Celery acknowledges, and sees whether to stop."""
        folder = self.client.transport_options["data_folder_in"]  # type: ignore[union-attr]  # kombu's
        with _listening(Path(folder)) as wait:
            try:
                self.cycle.get(self._deliver, timeout=timeout)  # type: ignore[union-attr]
            except Empty:
                is_free = all(channel.qos.can_consume() for channel in self.channels)
                wait(min(timeout, PATIENCE if is_free else IMPATIENCE))
                raise TimeoutError from None


@contextmanager
def _listening(folder: Path) -> Iterator[Callable[[float], None]]:
    """A wait that ends with the next ring, also with one since this began."""
    try:
        with suppress(FileExistsError):
            os.mkfifo(folder / BELL, mode=0o600)
        # For writing too: a pipe that nobody writes to is at its end, and not quiet.
        pipe = os.open(folder / BELL, os.O_RDWR | os.O_NONBLOCK)
    except OSError:  # there is no folder, or none that has pipes
        yield time.sleep
        return
    try:
        yield partial(_wait, pipe)
    finally:
        os.close(pipe)


def _wait(pipe: int, seconds: float) -> None:
    ready = select.poll()
    ready.register(pipe, select.POLLIN)
    if ready.poll(seconds * 1000):
        # Another reader may have been faster.
        with suppress(BlockingIOError):
            os.read(pipe, 4096)


def _ring(folder: Path) -> None:
    # Nobody listens, or nobody has for long: whoever comes looks first.
    with suppress(OSError):
        pipe = os.open(folder / BELL, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, b"!")
        finally:
            os.close(pipe)


def _names_in(folder: str) -> list[str]:
    """A folder that is gone has no messages; the next one that is written makes it anew."""
    try:
        # Half the time that paths would take, and it is asked before each message.
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []
