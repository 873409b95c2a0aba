"""Kombu's filesystem transport, for doorbells: whole messages in one folder, and nothing besides.

Kombu writes a message under the name by which readers look for it, and a reader
that comes between the creating and the writing takes an empty file and dies of
it, as it does of a missing folder. And it keeps in files which queues there are,
so that whoever empties its folders ends all deliveries until the next start.
"""

import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem

# Seconds in which a reader that finds nothing is let go, to look around.
PATIENCE = 0.25


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

    def drain_events(self, connection: Any, timeout: float = PATIENCE, **_: Any) -> Any:
        # Celery asks for two seconds, and looks only then whether it was told to stop.
        patience = min(timeout, PATIENCE)
        return super().drain_events(connection, patience)  # type: ignore[no-untyped-call]  # kombu's


def _names_in(folder: str) -> list[str]:
    """A folder that is gone has no messages; the next one that is written makes it anew."""
    try:
        # Asked 200 times a second: paths would take half of what a worker at rest does.
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []
