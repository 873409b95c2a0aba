"""The configuration as it was found, and whether it can be used."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foca.database.register_mongodb import get_mongo_uri
from foca.foca import Foca
from pydantic import ValidationError
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from callback_service import config
from callback_service.adapters import celery_doorbell
from callback_service.config import targets
from callback_service.config.settings import Settings
from callback_service.domain.errors import ConfigError
from callback_service.faults import Faults

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Configured:
    """FOCA as the configuration files have it, and our own settings."""

    foca: Foca
    settings: Settings


def load() -> Configured:
    """Read the configuration. Raises `ConfigError` with a sentence for each fault."""
    environ = config.environment()
    # It tells of each of its steps; what comes of them is told here.
    logging.getLogger("foca").setLevel(logging.WARNING)
    files = config.config_files(environ)
    sections = config.our_sections(files)
    faults = Faults()
    with faults.noted():
        foca = _read_foca(files)
    with faults.noted():
        settings = config.read_settings(sections, environ)
        _check_targets(settings, environ)
    with faults.noted():
        _check_database_uri()
    with faults.noted():
        celery_doorbell.check_url(environ.get("CELERY_BROKER_URL", ""))
    faults.raise_any()
    return Configured(foca, settings)


def _read_foca(files: list[Path]) -> Foca:
    try:
        return Foca(config_file=files)
    except ValidationError as error:
        raise ConfigError(*config.explain_foca(error)) from None


def _check_database_uri() -> None:
    """FOCA looks at it only when an app is built, in each worker anew."""
    try:
        uri = get_mongo_uri()
        # What `mongodb+srv` stands for is in the DNS, which may come later.
        if uri.startswith("mongodb://"):
            parse_uri(uri)
    except (PyMongoError, ValueError) as error:
        raise ConfigError(f"MONGO_URI: {error}") from None


def _check_targets(settings: Settings, environ: Mapping[str, str]) -> None:
    faults = Faults()
    for name, target in targets.resolved(settings.cwl_wes.targets, environ).items():
        try:
            # As below: the DNS may come later.
            if not target.uri.startswith("mongodb+srv://"):
                parse_uri(target.uri)
        except (PyMongoError, ValueError):
            # What is wrong with it may be told with pieces of its password.
            faults.note(
                f"custom.cwl_wes.targets.{name}: its URI is none of MongoDB; "
                "it looks like mongodb://USER:PASSWORD@HOST:PORT/"
            )
    faults.raise_any()


def database_address(configured: Configured) -> str:
    """Where the database is looked for, without the user and the password."""
    section = configured.foca.conf.db
    uri = get_mongo_uri(section.host, section.port) if section else get_mongo_uri()
    return uri.rpartition("://")[2].rpartition("@")[2].partition("/")[0]


def check_access(configured: Configured, host: str) -> None:
    """Raises `ConfigError` where everybody could use the API from anywhere."""
    if configured.settings.access.auth or host in LOOPBACK:
        return
    raise ConfigError(
        "custom.access.auth: without tokens the API may listen on loopback only; "
        f"use --host 127.0.0.1 instead of {host}"
    )
