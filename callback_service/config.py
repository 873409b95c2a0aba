"""The settings: FOCA's sections, and ours in `custom`, with a reason, unit and range for each."""

import os
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from foca.config.config_parser import deep_merge, get_overlay_files
from foca.models.config import Config
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from callback_service.domain.errors import ConfigError
from callback_service.faults import Faults, explain, no_such, paths_of, read_yaml, require_file

PACKAGE = Path(__file__).resolve().parent
# A wheel carries the file; a checkout has it at the top, where people look for it.
CANDIDATES = (PACKAGE / "_data" / "config.yaml", PACKAGE.parent / "config.yaml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiTokenSettings(_Section):
    """A static API token, known by its hash only."""

    hash: str = Field(
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="SHA-256 of the token: `callback-service config hash-token` prints it.",
    )
    owner: str = Field(min_length=1, max_length=256, description="Whose runs it sees and changes.")
    role: Literal["read", "user", "admin"] = Field(
        default="user", description="`read` looks, `user` also registers, `admin` also servers."
    )


class AccessSettings(_Section):
    """Who may use the API below `/v1`."""

    auth: bool = Field(
        default=True,
        description="Ask for bearer tokens. Off is for trying on one machine: loopback only.",
    )
    tokens: tuple[ApiTokenSettings, ...] = Field(
        default=(), description="Static tokens, beside those in `tokens_file`."
    )
    tokens_file: Path | None = Field(
        default=None, description="A YAML list of static tokens, as in `tokens`; a mounted secret."
    )
    jwt_admins: tuple[str, ...] = Field(
        default=(), description="Owners by JWT (`SUBJECT@ISSUER`) who may register servers."
    )


class EgressSettings(_Section):
    """Where deliveries may go."""

    allow: tuple[str, ...] = Field(
        default=(),
        description="CIDR ranges allowed besides public addresses, such as the cluster's services. "
        "Link-local and metadata addresses stay refused.",
    )

    @field_validator("allow")
    @classmethod
    def _are_ranges(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        for one in ranges:
            ip_network(one)
        return ranges


class DeliverySettings(_Section):
    """How runs are told."""

    concurrency: int = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Deliveries under way at once per worker; each holds a socket.",
    )
    per_host: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Of those, to one host, so that a host that hangs does not take all places.",
    )
    connect_timeout: float = Field(default=5, gt=0, le=60, description="Seconds to connect.")
    total_timeout: float = Field(
        default=15, gt=0, le=300, description="Seconds for a whole delivery, its answer included."
    )
    database_threads: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Threads for the database calls of deliveries, per worker.",
    )
    shutdown_grace: float = Field(
        default=10, ge=0, le=600, description="Seconds that deliveries get to end at a stop."
    )


class DatabaseSettings(_Section):
    """The database; its address is in FOCA's section `db` and `MONGO_URI`."""

    name: str = Field(
        default="callback-service", description="The key below `db.dbs`; `MONGO_DBNAME` renames it."
    )
    timeout: float = Field(
        default=2.0,
        gt=0,
        le=2.5,
        description="Seconds in which a call must be confirmed; then callers get a 503. Readers "
        "wait 3 seconds for a write to become visible: with what clocks differ it must be less.",
    )


class BrokerSettings(_Section):
    """The broker; its address is in FOCA's section `jobs` and `CELERY_BROKER_URL`."""

    folder: Path | None = Field(
        default=None, description="Folder of the `filesystem://` broker that `up` runs with."
    )
    gather: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="Seconds for which doorbells are gathered, so that each run is rung once.",
    )
    concurrency: int = Field(
        default=8, ge=1, le=256, description="Threads of a worker that take doorbells."
    )


class RetentionSettings(_Section):
    """How long records are kept that nobody is owed."""

    tasks_days: float = Field(default=30, gt=0, le=3650, description="Days since last heard of.")
    deliveries_days: float = Field(default=7, gt=0, le=3650, description="Days in the log.")


class Settings(_Section):
    """The section `custom`."""

    public_url: Annotated[
        str | None,
        Field(
            default=None,
            pattern=r"^https?://[^\s/]+[^\s]*$",
            description="The base of callback URLs, as TES servers reach this service. "
            "Without it, what the registering client used.",
        ),
    ]
    access: AccessSettings = AccessSettings()
    egress: EgressSettings = EgressSettings()
    delivery: DeliverySettings = DeliverySettings()
    database: DatabaseSettings = DatabaseSettings()
    broker: BrokerSettings = BrokerSettings()
    retention: RetentionSettings = RetentionSettings()


# What containers and `up` set without writing a file; FOCA reads MONGO_* and CELERY_* itself.
ENVIRONMENT = {
    "CALLBACK_PUBLIC_URL": ("public_url",),
    "CALLBACK_AUTH": ("access", "auth"),
    "CALLBACK_API_TOKENS_FILE": ("access", "tokens_file"),
    "CALLBACK_EGRESS_ALLOW": ("egress", "allow"),
    "CALLBACK_BROKER_FOLDER": ("broker", "folder"),
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
    if settings.access.tokens_file is None:
        return settings
    tokens = settings.access.tokens + _read_tokens(settings.access.tokens_file)
    access = settings.access.model_copy(update={"tokens": tokens})
    return settings.model_copy(update={"access": access})


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
