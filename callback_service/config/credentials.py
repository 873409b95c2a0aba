"""Credentials for TES servers: where they are kept, and that they are there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from callback_service.config.server_settings import (
    CredentialsSettings,
    ServersSettings,
    StoredCredentials,
    check_credentials_name,
)
from callback_service.domain.errors import ConfigError
from callback_service.faults import Faults, explain, read_yaml

_SECTION = "custom.servers.credentials"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A bearer token, or with a `username` a password: itself, or the file that it is in."""

    username: str | None
    secret: str | None = field(repr=False)
    file: Path | None = None


def collected(servers: ServersSettings) -> dict[str, CredentialsSettings]:
    """Those in the settings and those in the file, which go before. Raises `ConfigError`."""
    if servers.credentials_file is None:
        return servers.credentials
    return {**servers.credentials, **_stored(servers.credentials_file)}


def check(entries: Mapping[str, CredentialsSettings], environ: Mapping[str, str]) -> None:
    """Raises `ConfigError` with a sentence for each that is not there."""
    faults = Faults()
    for name, entry in entries.items():
        with faults.noted():
            _check_file(_resolved(name, entry, environ), f"{_SECTION}.{name}")
    faults.raise_any()


def resolved(
    entries: Mapping[str, CredentialsSettings], environ: Mapping[str, str]
) -> dict[str, Credentials]:
    """Them by name. Raises `ConfigError` where a variable is not set."""
    return {name: _resolved(name, entry, environ) for name, entry in entries.items()}


def _stored(path: Path) -> dict[str, CredentialsSettings]:
    faults = Faults()
    entries: dict[str, CredentialsSettings] = {}
    for name, entry in read_yaml(path).items():
        with faults.noted():
            entries[str(name)] = _read(str(name), entry, path)
    faults.raise_any()
    return entries


def _read(name: str, entry: Any, path: Path) -> CredentialsSettings:
    try:
        check_credentials_name(name)
        return StoredCredentials.model_validate(entry)
    except ValidationError as error:
        raise ConfigError(*explain(error, StoredCredentials, f"{path}: {name}")) from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _resolved(name: str, entry: CredentialsSettings, environ: Mapping[str, str]) -> Credentials:
    if isinstance(entry, StoredCredentials) and (stored := entry.password or entry.token):
        secret = stored.get_secret_value()
        return Credentials(entry.username, _checked(secret, entry.username, f"{_SECTION}.{name}"))
    for key in ("password_env", "token_env"):
        if variable := getattr(entry, key):
            where = f"{_SECTION}.{name}.{key}"
            if not environ.get(variable):
                raise ConfigError(f"{where}: there is nothing in the variable {variable}; set it")
            return Credentials(entry.username, _checked(environ[variable], entry.username, where))
    return Credentials(entry.username, None, entry.password_file or entry.token_file)


def _check_file(credentials: Credentials, where: str) -> None:
    path = credentials.file
    if path is None:
        return
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{where}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: {path} is not UTF-8 text") from None
    if not text:
        raise ConfigError(f"{where}: put the secret into {path}, which is empty")
    _checked(text, credentials.username, where)


def _checked(secret: str, username: str | None, where: str) -> str:
    # They become a header, which ends with the line; passwords are encoded in it, tokens are not.
    if not secret.isprintable():
        raise ConfigError(f"{where}: the secret must be one line without control characters")
    if username is None and (not secret.isascii() or " " in secret):
        raise ConfigError(f"{where}: a token must be ASCII without spaces")
    return secret
