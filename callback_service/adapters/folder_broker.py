"""Kombu's filesystem transport, for doorbells: whole messages in one folder, and nothing besides.

Kombu writes a message under the name by which readers look for it, and a reader
that comes between the creating and the writing takes an empty file and dies of
it, as it does of a missing folder. And it keeps in files which queues there are,
so that whoever empties its folders ends all deliveries until the next start.
"""

import json
import time
import uuid
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem


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
        folder = Path(self.data_folder_in)
        for name in sorted(_names_in(folder)):
            if name.endswith(f".{queue}.msg"):
                taken = folder / f"{name}.taken"
                # It may be another reader's by now.
                with suppress(OSError):
                    (folder / name).replace(taken)
                    text = taken.read_text(encoding="utf-8")
                    taken.unlink()
                    return json.loads(text)
        raise Empty

    def _size(self, queue: str) -> int:
        names = _names_in(Path(self.data_folder_in))
        return sum(name.endswith(f".{queue}.msg") for name in names)

    def _queue_bind(self, *_: Any) -> None:
        """Nothing to keep: a queue is where messages with its name lie."""

    def _lookup(self, _exchange: str, routing_key: str, _default: Any = None) -> list[str]:
        return [routing_key]


class Transport(filesystem.Transport):
    Channel = Channel


def _names_in(folder: Path) -> list[str]:
    """A folder that is gone has no messages; the next one that is written makes it anew."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []
