"""Reading the settings: FOCA's sections, and ours in `custom`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from foca.config.config_parser import deep_merge, get_overlay_files
from foca.models.config import Config
from pydantic import ValidationError

from callback_service.config import credentials
from callback_service.config.settings import ApiTokenSettings, Settings
from callback_service.domain.errors import ConfigError
from callback_service.faults import Faults, explain, no_such, paths_of, read_yaml, require_file

PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries the file; a checkout has it at the top, where people look for it.
CANDIDATES = (PACKAGE / "_data" / "config.yaml", PACKAGE.parent / "config.yaml")

# What containers and `up` set without writing a file; FOCA reads MONGO_* and CELERY_* itself.
ENVIRONMENT = {
    "CALLBACK_PUBLIC_URL": ("public_url",),
    "CALLBACK_AUTH": ("access", "auth"),
    "CALLBACK_API_TOKENS_FILE": ("access", "tokens_file"),
    "CALLBACK_EGRESS_ALLOW": ("egress", "allow"),
    "CALLBACK_BROKER_FOLDER": ("broker", "folder"),
    "CALLBACK_CREDENTIALS_FILE": ("servers", "credentials_file"),
}


def default_config_file() -> Path:
    return next(path for path in CANDIDATES if path.exists())


def config_files(environ: Mapping[str, str]) -> list[Path]:
    """The file that ships, and the operator's own over it (`CALLBACK_CONFIG`), which may be short.

    Raises `ConfigError` where the operator's is not there.
    """
    files = [default_config_file()]
    if own := environ.get("CALLBACK_CONFIG"):
        require_file(Path(own), "CALLBACK_CONFIG")
        files.append(Path(own))
    return files


def our_sections(files: Sequence[Path]) -> dict[str, Any]:
    """What the files have besides FOCA's sections. FOCA tells of it only if its own are right.

    Raises `ConfigError` where one of them cannot be read.
    """
    try:
        overlays = get_overlay_files()
    except OSError as error:
        raise ConfigError(str(error)) from None
    merged: dict[str, Any] = {}
    for file in (*files, *overlays):
        merged = deep_merge(merged, read_yaml(file))
    return {name: value for name, value in merged.items() if name not in Config.model_fields}


def read_settings(sections: Mapping[str, Any] | None, environ: Mapping[str, str]) -> Settings:
    """The settings from the section `custom`, the environment over it.

    `sections` are those that FOCA does not know. Raises `ConfigError` naming
    each key at fault, and the nearest known one.
    """
    given = dict(sections or {})
    custom = given.pop("custom", None) or {}
    top = [*Config.model_fields, "custom"]
    faults = Faults()
    for name in map(str, given):
        faults.note(no_such(name, name, top, known_settings()))
    with faults.noted():
        settings = _validated(custom, environ)
    faults.raise_any()
    return _with_files(settings, environ)


def _with_files(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """With what stands in the files that they name, which are looked at now and not in the night.

    Raises `ConfigError` with a sentence for each that cannot be used.
    """
    access, servers = settings.access, settings.servers
    faults = Faults()
    if access.tokens_file:
        with faults.noted():
            tokens = access.tokens + _read_tokens(access.tokens_file)
            access = access.model_copy(update={"tokens": tokens})
    if servers.ca_file:
        with faults.noted():
            require_file(servers.ca_file, "custom.servers.ca_file")
    with faults.noted():
        entries = credentials.collected(servers)
        credentials.check(entries, environ)
        servers = servers.model_copy(update={"credentials": entries})
    faults.raise_any()
    return settings.model_copy(update={"access": access, "servers": servers})


def _validated(custom: Any, environ: Mapping[str, str]) -> Settings:
    if not isinstance(custom, dict):
        raise ConfigError("custom: must be a mapping of settings")
    try:
        return Settings.model_validate(_with_environment(custom, environ))
    except ValidationError as error:
        raise ConfigError(*explain(error, Settings, "custom", known_settings())) from None


def known_settings() -> list[str]:
    return [*paths_of(Config), *paths_of(Settings, "custom.")]


def explain_foca(error: ValidationError) -> list[str]:
    return explain(error, Config, elsewhere=known_settings())


def _with_environment(custom: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    for variable, path in ENVIRONMENT.items():
        # An empty one is none: so compose files and charts set what they leave open.
        if text := environ.get(variable):
            value = _read_variable(path, text)
            for name in reversed(path):
                value = {name: value}
            custom = deep_merge(custom, value)
    return custom


def _read_variable(path: tuple[str, ...], text: str) -> Any:
    if path[-1] == "allow":
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _read_tokens(path: Path) -> tuple[ApiTokenSettings, ...]:
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        return tuple(ApiTokenSettings.model_validate(one) for one in listed)
    except OSError as error:
        raise ConfigError(
            f"custom.access.tokens_file: cannot read {path}: {error.strerror}"
        ) from None
    except ValidationError as error:
        raise ConfigError(*explain(error, ApiTokenSettings, str(path))) from None
    except (yaml.YAMLError, TypeError, ValueError):
        raise ConfigError(f"{path}: must be a YAML list of {{hash, owner, role}}") from None


def environment() -> Mapping[str, str]:
    return os.environ
