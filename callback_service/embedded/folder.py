"""The data folder: what lies where, who may use it now, and the API token that it keeps."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from callback_service.domain.capability import hash_token, new_api_token
from callback_service.embedded.errors import CannotStart

_TOKENS = """\
# Written by `callback-service up` whenever it starts, from the token in {token_file}.
- owner: local
  role: admin
  hash: "{digest}"
"""


@dataclass(frozen=True, slots=True)
class DataFolder:
    root: Path

    @property
    def _lock(self) -> Path:
        return self.root / "lock"

    @property
    def database(self) -> Path:
        return self.root / "db"

    @property
    def database_settings(self) -> Path:
        return self.root / "db.toml"

    @property
    def broker(self) -> Path:
        return self.root / "broker"

    @property
    def token(self) -> Path:
        return self.root / "api-token"

    @property
    def tokens(self) -> Path:
        return self.root / "tokens.yaml"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def _contents(self) -> tuple[Path, ...]:
        """What `prepare` and `api_token` make, and the lock last: without it nothing is ours."""
        folders = (self.database, self.broker, self.logs)
        return (
            *folders,
            self.database_settings,
            self.token,
            self.tokens,
            self._ignored,
            self._lock,
        )

    @property
    def _ignored(self) -> Path:
        return self.root / ".gitignore"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Make the folder and hold it: two databases on the same files would be their end.

        Where the start is refused, what this made is gone again.
        """
        with _in_words(self.root):
            self._require_folder()
            made = [] if self._lock.exists() else [*self._contents, *_missing(self.root)]
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._require_ours()
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        # The lock ends with this process, however that ends; children do not inherit it.
        with open(descriptor, "r+", encoding="utf-8") as file:  # noqa: PTH123  it is open already
            self._take(file.fileno())
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            try:
                yield
            except CannotStart:
                _remove(made)
                raise

    def _require_folder(self) -> None:
        for path in (self.root, *self.root.parents):
            if path.exists() and not path.is_dir():
                raise CannotStart(f"{path} is a file: choose a folder for the data with --data.")

    def _require_ours(self) -> None:
        """`--data .` in a folder full of work shall not mix with it, nor empty its `broker`."""
        foreign = {path.name for path in self.root.iterdir()} - {"lost+found"}
        if foreign and not self._lock.exists():
            raise CannotStart(
                f"{self.root} holds something else already: "
                "choose an empty folder, or a new one, with --data."
            )

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
            raise CannotStart(
                f"{self.root} is in use by another `callback-service up` (process {holder}): "
                "stop that one or choose another folder with --data."
            ) from error
        except OSError as error:
            raise CannotStart(
                f"{self.root} cannot be locked ({error.strerror}): "
                "choose a folder on a local disk with --data."
            ) from error

    def prepare(self) -> None:
        """Everything that the processes expect to find."""
        with _in_words(self.root):
            # Whatever repository this stands in, the token and the data do not belong into it.
            self._ignored.write_text("*\n")
            self.logs.mkdir(mode=0o700, exist_ok=True)
            # Ours before the server makes it for everybody to read: signing secrets are in there.
            self.database.mkdir(mode=0o700, exist_ok=True)
            # Messages are doorbells, and the sweeper rings again for whatever is owed. A folder
            # that was left by `kill -9` may hold half of one.
            shutil.rmtree(self.broker, ignore_errors=True)
            self.broker.mkdir(mode=0o700)
            # Given to the server so that it does not take one from the working directory.
            self.database_settings.touch(mode=0o600)

    def wait_for_database(self, patience: float = 10.0) -> None:
        """Until the server that `kill -9` has just ended lets go of its files."""
        deadline = time.monotonic() + patience
        while _is_locked(self.database / "WiredTiger.lock"):
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"The database in {self.database} is in use by another process: "
                    "stop that one or choose another folder with --data."
                )
            time.sleep(0.05)

    def api_token(self) -> str:
        """Made by the first `up`; removing the file makes the next one issue another."""
        with _in_words(self.root):
            token = self.token.read_text().strip() if self.token.exists() else ""
            if not token:
                token = new_api_token()
                _write_private(self.token, token + "\n")
            tokens = _TOKENS.format(token_file=self.token.name, digest=hash_token(token))
            _write_private(self.tokens, tokens)
        return token


def _missing(folder: Path) -> list[Path]:
    """Of a folder and those around it, innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove(made: list[Path]) -> None:
    """No folder that something is in: nothing was started, so it is somebody else's."""
    for path in made:
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotStart(
            f"{folder} cannot be used for the data ({error.strerror}: {error.filename}): "
            "make it writable or choose another folder with --data."
        ) from error


def _write_private(path: Path, text: str) -> None:
    """Never readable by others, not for a moment, and never there by half."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  it is open already
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def _is_locked(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        except OSError:
            return True
    return False
