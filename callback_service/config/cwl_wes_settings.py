"""What can be set of the databases of cwl-WES that runs may be told in."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from callback_service.config.section import Section
from callback_service.domain.errors import InvalidInput
from callback_service.domain.server import check_server_key


class TargetSettings(Section):
    """A MongoDB database that a cwl-WES keeps its runs in."""

    uri_env: str | None = Field(
        default=None, min_length=1, description="The variable that holds the MongoDB URI."
    )
    uri_file: Path | None = Field(
        default=None, description="Or the file that does; read when a process starts."
    )
    database: str = Field(
        default="cwl-wes-db", min_length=1, max_length=63, description="The name of the database."
    )
    collection: str = Field(
        default="runs", min_length=1, max_length=120, description="The collection of its runs."
    )

    @model_validator(mode="after")
    def _has_one_uri(self) -> Self:
        if (self.uri_env is None) == (self.uri_file is None):
            raise ValueError("must have one of uri_env, uri_file")
        return self


class CwlWesSettings(Section):
    """The sinks in databases of cwl-WES."""

    targets: dict[str, TargetSettings] = Field(
        default={}, description="Databases by name, as sinks are registered with them; see below."
    )
    timeout: float = Field(
        default=5,
        gt=0,
        le=60,
        description="Seconds in which one of these databases must have answered.",
    )
    connections: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Connections to each of these databases, per worker.",
    )

    fail_stuck_after: float | None = Field(
        default=None,
        ge=600,
        description="Seconds after the end of its last task at which a run that cwl-WES still "
        "shows as going on is marked SYSTEM_ERROR, as by `runs fail`. Without it, nobody does so "
        "unasked. An engine that collects outputs for longer is taken for dead.",
    )

    @field_validator("targets")
    @classmethod
    def _have_names(cls, targets: dict[str, TargetSettings]) -> dict[str, TargetSettings]:
        for name in targets:
            try:
                check_server_key(name)
            except InvalidInput as error:
                raise ValueError(f"{name!r} cannot be a name: {error.reason}") from None
        return targets
