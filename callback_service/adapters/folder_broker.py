"""Kombu's filesystem transport, with messages that appear whole or not at all.

Kombu writes a message under the name by which readers look for it, and a reader
that comes between the creating and the writing takes an empty file and dies of it.
"""

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem


class Channel(filesystem.Channel):
    """Readers see a message when it is renamed to the name that they look for."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]  # kombu's own
        name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}.{queue}.msg"
        path = Path(self.data_folder_out, name)
        draft = path.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(payload), encoding="utf-8")
            os.replace(draft, path)  # noqa: PTH105  says what it does where one exists
        except OSError as error:
            raise ChannelError(f"cannot write to {self.data_folder_out}") from error


class Transport(filesystem.Transport):
    Channel = Channel
