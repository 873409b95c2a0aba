"""Who calls: bearer tokens to owners and roles."""

import functools
import hmac
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ParamSpec, TypeVar, cast

from connexion import context
from connexion.exceptions import Unauthorized
from flask import current_app
from foca.security.auth import validate_token

from callback_service.domain.capability import hash_token
from callback_service.domain.errors import Forbidden

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

LOCAL_OWNER = "local"


class Role(IntEnum):
    """What a caller may do; each may what those before it may."""

    READ = 1
    USER = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose runs are seen and changed, and what else is allowed."""

    owner: str
    role: Role


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A static token, by its hash."""

    hash: str
    owner: str
    role: Role


class Gatekeeper:
    """Knows the static tokens, and leaves JWTs to FOCA where issuers are configured."""

    def __init__(
        self,
        tokens: Iterable[ApiToken],
        *,
        accepts_jwt: bool,
        jwt_admins: Iterable[str] = (),
        is_open: bool = False,
    ) -> None:
        """`is_open`: nobody is asked for a token."""
        self._tokens = tuple(tokens)
        self._accepts_jwt = accepts_jwt
        self._jwt_admins = frozenset(jwt_admins)
        self._is_open = is_open

    def admit(self, token: str, *, is_told: bool = True) -> Caller | None:
        """Raises `Unauthorized` for a JWT that is not accepted; `is_told`: the log says why."""
        matches = self._matches(token)
        if matches:
            return Caller(matches[0].owner, matches[0].role)
        if self._accepts_jwt and token.count(".") == 2:
            return self._admit_jwt(_validated(token, is_told=is_told))
        return None

    def recognise(self, token: str) -> Caller | None:
        """Whose token it is, where one need not be shown: others' tokens are nothing to tell of."""
        try:
            return self.admit(token, is_told=False)
        except Unauthorized:
            return None

    def may_know(self, token: str) -> bool:
        """Whether it is a token of ours, or could be for all that can be told now."""
        try:
            return self.admit(token, is_told=False) is not None
        except Unauthorized as error:
            # The challenge names an error where a JWT was found to be invalid, and none where its
            # issuer could not be asked.
            challenges = error.www_authenticate or ()
            return not any(challenge.get("error") for challenge in challenges)

    def is_static(self, token: str) -> bool:
        return bool(self._matches(token))

    def admit_unasked(self) -> Caller:
        """Who was not asked for a token. Raises `Unauthorized` where everybody should have been."""
        if not self._is_open:
            raise Unauthorized
        return Caller(LOCAL_OWNER, Role.ADMIN)

    def _matches(self, token: str) -> list[ApiToken]:
        digest = hash_token(token)
        # No short cut: every hash is compared.
        return [one for one in self._tokens if hmac.compare_digest(one.hash, digest)]

    def _admit_jwt(self, info: Mapping[str, Any]) -> Caller:
        # Subjects are unique within their issuer only.
        owner = f"{info['user_id']}@{info['claims']['iss']}"
        return Caller(owner, Role.ADMIN if owner in self._jwt_admins else Role.USER)


def _validated(token: str, *, is_told: bool) -> Mapping[str, Any]:
    try:
        return validate_token(token)
    except Unauthorized as error:
        if is_told:
            # The caller is told nothing of why; the operator is.
            log.warning("token.refused", extra={"fields": {"reason": error.description}})
        raise


def bearer_info(token: str) -> dict[str, Any]:
    """Connexion's `x-bearerInfoFunc`. Raises `Unauthorized` for a token that nobody has."""
    caller = current_app.extensions["gatekeeper"].admit(token)
    if caller is None:
        raise Unauthorized
    return {"sub": caller.owner, "caller": caller}


def caller() -> Caller:
    """Who calls; with authentication off everybody is the one local owner."""
    info = context.get("token_info")
    if info:
        known: Caller = info["caller"]
        return known
    return cast("Gatekeeper", current_app.extensions["gatekeeper"]).admit_unasked()


def needs(role: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse callers of a lesser role."""

    def guard(controller: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(controller)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if caller().role < role:
                raise Forbidden(f"this needs a token with the role {role.name.lower()}")
            return controller(*args, **kwargs)

        return guarded

    return guard
