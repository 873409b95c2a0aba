"""What the service shows to TES servers of its own."""

import base64
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

# Times of files are as coarse as this. Younger files are read each time, for they may have been
# written again since, to the same length and at the same time.
_COARSE_SECONDS = 2.0


class Unreadable(Exception):
    """A secret cannot be had; the text says why, and from which file."""


class Secret(Protocol):
    """One line of text, wherever it is kept."""

    def read(self) -> str:
        """Raises `Unreadable`."""


class Credentials(Protocol):
    """Something that a server lets us in on."""

    def authorization(self) -> str:
        """The value of the header. Raises `Unreadable`."""


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A secret that stays what it is while the process runs."""

    text: str = field(repr=False)

    def read(self) -> str:
        return self.text


class SecretFile:
    """A secret in a file, read again when the file is another one: mounted secrets rotate."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[tuple[int, ...], str] | None = None

    def read(self) -> str:
        try:
            return self._read()
        except OSError as error:
            reason = (error.strerror or "it cannot be opened").lower()
            raise Unreadable(f"{self._path} cannot be read ({reason})") from None
        except UnicodeDecodeError:
            raise Unreadable(f"{self._path} is not UTF-8 text") from None

    def _read(self) -> str:
        status = self._path.stat()
        version = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known
        if known and known[0] == version:
            return known[1]
        text = self._path.read_text("utf-8").strip()
        # A line break would begin another header.
        if not text or not text.isprintable():
            raise Unreadable(f"{self._path} does not hold one line of text")
        is_settled = time.time() - status.st_mtime > _COARSE_SECONDS
        self._known = (version, text) if is_settled else None
        return text


@dataclass(frozen=True, slots=True)
class Basic:
    """A username and a password."""

    username: str
    password: Secret

    def authorization(self) -> str:
        pair = f"{self.username}:{self.password.read()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token."""

    token: Secret

    def authorization(self) -> str:
        return f"Bearer {self.token.read()}"
