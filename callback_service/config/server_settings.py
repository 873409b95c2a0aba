"""What can be set of TES servers, and of the gateway in front of them."""

import math
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from callback_service.config.section import Section
from callback_service.domain.errors import InvalidInput
from callback_service.domain.server import check_server_key

MEBIBYTE = 2**20


class CredentialsSettings(Section):
    """With what a server is reached: a token, or a username and a password."""

    username: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="For a server that asks for a username and a password.",
    )
    password_env: str | None = Field(
        default=None, min_length=1, description="The variable that holds the password."
    )
    password_file: Path | None = Field(
        default=None, description="Or the file that does; read again when it changes."
    )
    token_env: str | None = Field(
        default=None, min_length=1, description="The variable that holds the bearer token."
    )
    token_file: Path | None = Field(
        default=None, description="Or the file that does; read again when it changes."
    )

    @field_validator("username")
    @classmethod
    def _fits_into_a_header(cls, username: str | None) -> str | None:
        if username is not None and (":" in username or not username.isprintable()):
            raise ValueError("must have no colon and no control characters")
        return username

    @model_validator(mode="after")
    def _are_of_one_kind(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        secrets = [name for name in given if name != "username"]
        if len(secrets) != 1:
            known = ", ".join(name for name in type(self).model_fields if name != "username")
            raise ValueError(f"must have one of {known}; has {' and '.join(secrets) or 'none'}")
        if secrets[0].startswith("password") != ("username" in given):
            raise ValueError("a password goes with a username, and a token without one")
        return self


class StoredCredentials(CredentialsSettings):
    """As `CredentialsSettings`; in a file that is secret they may stand themselves."""

    password: SecretStr | None = Field(
        default=None, min_length=1, description="The password itself."
    )
    token: SecretStr | None = Field(
        default=None, min_length=1, description="The bearer token itself."
    )


class ServersSettings(Section):
    """How TES servers are asked for what they do not tell."""

    requests_per_second: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="Requests to each server, by all workers together, to learn of tasks.",
    )
    wanted_requests_per_second: float = Field(
        default=3.5,
        gt=0,
        le=1000,
        description="The same while clients wait at the gateway for its tasks, each of whom "
        "would else ask by itself.",
    )
    burst: int = Field(
        default=30,
        ge=1,
        le=10_000,
        description="Requests to a server that may be saved up for when much happens.",
    )
    fast: float = Field(
        default=1.5, ge=0.1, le=3600, description="Seconds between two looks at a task that moves."
    )
    slow: float = Field(
        default=60,
        ge=0.1,
        le=86_400,
        description="Seconds between two looks at a task that has not moved for long.",
    )
    silence: float = Field(
        default=60,
        ge=1,
        le=86_400,
        description="Seconds for which a server that calls back may say nothing of a task.",
    )
    fresh: float = Field(
        default=2,
        ge=0,
        le=3600,
        description="Seconds for which the gateway answers from what a server has said.",
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) to trust besides the public ones."
    )
    credentials: dict[str, CredentialsSettings] = Field(
        default={},
        description="Credentials by name, as servers are registered with them; see below.",
    )
    credentials_file: Path | None = Field(
        default=None,
        description="The same as a YAML file, a mounted secret. There, and only there, `password` "
        "and `token` may stand themselves.",
    )

    @field_validator("credentials")
    @classmethod
    def _have_names(cls, entries: dict[str, CredentialsSettings]) -> dict[str, CredentialsSettings]:
        for name in entries:
            check_credentials_name(name)
        return entries

    @field_validator("slow")
    @classmethod
    def _is_not_faster(cls, slow: float, info: ValidationInfo) -> float:
        if slow < info.data.get("fast", 0):
            raise ValueError("must not be less than `fast`")
        return slow


# Seconds more than a TES server gets to answer that the API gets to pass the answer on at a stop.
_TO_PASS_ON = 2


class TagSettings(Section):
    """The tag on every task that the gateway hands on, by which servers can list them."""

    key: str = Field(
        default="callback-service",
        min_length=1,
        max_length=128,
        description="The name of the tag that every task gets which is handed on: servers can list "
        "tasks by it. Clients do not see it.",
    )
    value: str = Field(
        default="gateway",
        min_length=1,
        max_length=128,
        description="The value of the tag. Two services at one TES server need two.",
    )


class GatewaySettings(Section):
    """The gateway in front of TES servers."""

    timeout: float = Field(
        default=8,
        gt=0,
        le=300,
        description="Seconds in which a server must have answered; py-tes gives up after 10.",
    )
    max_request: int = Field(
        default=16 * MEBIBYTE,
        ge=1024,
        le=1024 * MEBIBYTE,
        description="Bytes that a task may have that is handed in.",
    )
    max_response: int = Field(
        # Twice of a task that is handed in: it comes back, with its logs, in the view FULL. And
        # 16 KiB for each of as many tasks as TES lets a page hold.
        default=32 * MEBIBYTE,
        ge=1024,
        le=1024 * MEBIBYTE,
        description="Bytes of a server's answer; each is held in memory while it is read. More "
        "than `max_request`: a task comes back with its logs.",
    )
    per_server: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="Requests to one server under way at once, per process.",
    )
    tag: TagSettings = TagSettings()
    run_tag: str = Field(
        default="callback-service-run",
        min_length=1,
        max_length=128,
        description="The tag by which a task names the run that it belongs to, as `X-Run-Id` does.",
    )
    accepted_for: float = Field(
        default=60,
        ge=0,
        le=86_400,
        description="With the access `pass`: seconds for which a caller is answered here after the "
        "server has let it in.",
    )

    @property
    def grace(self) -> int:
        """Seconds that requests to the API get to end at a stop.

        A task whose submission is cut short is submitted again by py-tes, and there twice.
        """
        return math.ceil(self.timeout) + _TO_PASS_ON


def check_credentials_name(name: str) -> None:
    """Raises `ValueError`: the contract's names have the shape of servers'."""
    try:
        check_server_key(name)
    except InvalidInput as error:
        raise ValueError(f"{name!r} cannot be a name: {error.reason}") from None
