"""What can be set in `custom`, with a reason, unit and range for each."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from callback_service.config.cwl_wes_settings import CwlWesSettings
from callback_service.config.section import Section
from callback_service.config.server_settings import GatewaySettings, ServersSettings


class ApiTokenSettings(Section):
    """A static API token, known by its hash only."""

    hash: str = Field(
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="SHA-256 of the token: `callback-service config hash-token` prints it.",
    )
    owner: str = Field(min_length=1, max_length=256, description="Whose runs it sees and changes.")
    role: Literal["read", "user", "admin"] = Field(
        default="user", description="`read` looks, `user` also registers, `admin` also servers."
    )


class AccessSettings(Section):
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


class CallbacksSettings(Section):
    """How callbacks are taken."""

    at_once: int = Field(
        default=512,
        ge=1,
        le=10_000,
        description="Callbacks under way at once per API process, at most; what comes to more is "
        "answered 503 at once, so that those who are in are answered in time.",
    )


class EgressSettings(Section):
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


class DeliverySettings(Section):
    """How runs are told."""

    concurrency: int = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Deliveries under way at once per worker; each holds a socket. Retries take "
        "three quarters of them at most.",
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


class DatabaseSettings(Section):
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


class BrokerSettings(Section):
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


class RetentionSettings(Section):
    """How long records are kept that nobody is owed."""

    tasks_days: float = Field(default=30, gt=0, le=3650, description="Days since last heard of.")
    deliveries_days: float = Field(default=7, gt=0, le=3650, description="Days in the log.")


class Settings(Section):
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
    callbacks: CallbacksSettings = CallbacksSettings()
    egress: EgressSettings = EgressSettings()
    delivery: DeliverySettings = DeliverySettings()
    database: DatabaseSettings = DatabaseSettings()
    broker: BrokerSettings = BrokerSettings()
    retention: RetentionSettings = RetentionSettings()
    servers: ServersSettings = ServersSettings()
    gateway: GatewaySettings = GatewaySettings()
    cwl_wes: CwlWesSettings = CwlWesSettings()
