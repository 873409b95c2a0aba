"""Who may use a TES server through the gateway, and as whom (`access`)."""

import base64
import functools
import re
from collections.abc import Callable
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar, cast

from connexion.exceptions import Unauthorized
from flask import current_app, request

from callback_service.domain.errors import Forbidden, InvalidInput, Unknown
from callback_service.domain.server import Access, Server
from callback_service.entrypoints.access import Caller, Gatekeeper, Role
from callback_service.entrypoints.api.own_tokens import looks_like_ours, words_of
from callback_service.entrypoints.api.services import services
from callback_service.entrypoints.gateway_paths import ADDRESS, Address
from callback_service.relay.gateway.fingerprint import ANONYMOUS, Owner
from callback_service.relay.gateway.visit import Visit

P = ParamSpec("P")
R = TypeVar("R")

# What clients send that have no credentials: py-tes shows Python's `None` for both.
_NOBODY = {("None", "None"), ("", "")}
# Of these schemes it is known what they show: one token (RFC 6750, RFC 7617).
_SCHEME_OF_ONE = re.compile(r"(?:basic|bearer)\s", re.IGNORECASE)
_ONE_TOKEN = re.compile(r"\S+\s+[A-Za-z0-9._~+/-]+=*")


class Shown(NamedTuple):
    """The header `Authorization`, and the secrets in it; both empty where nothing is shown."""

    header: str = ""
    secrets: tuple[str, ...] = ()

    @property
    def token(self) -> str | None:
        """A bearer token, or a password: some clients can be given nothing else."""
        return self.secrets[0] if self.secrets else None


def visiting(
    role: Role | None,
) -> Callable[[Callable[Concatenate[Visit, P], R]], Callable[P, R]]:
    """Hand the controller the visit. `role` is what a token must be good for; None: no token."""

    def admit(controller: Callable[Concatenate[Visit, P], R]) -> Callable[P, R]:
        @functools.wraps(controller)
        def admitted(*args: P.args, **kwargs: P.kwargs) -> R:
            return controller(_visit(role), *args, **kwargs)

        return cast("Callable[P, R]", admitted)

    return admit


def address() -> Address:
    return cast("Address", request.environ[ADDRESS])


def _visit(role: Role | None) -> Visit:
    where = address()
    shown = read_authorization(request.headers.get("Authorization", ""))
    server = _found(where.server, shown)
    owner = _ACCESS[server.access](server, shown, role)
    forwarded = shown.header if server.access is Access.PASS else ""
    return Visit(
        server, where.variant, owner.name, forwarded or None, owner.is_lasting, _client(shown)
    )


def _found(name: str | None, shown: Shown) -> Server:
    try:
        return services().gateway.book.find(name)
    except Unknown:
        if _known_caller(shown):
            raise
    # Which others there are is not for everybody to know.
    which = "server is the default one" if name is None else f"server {name!r} is registered"
    raise Unknown(f"no {which}; ask whoever runs this service, or show a token")


def _client(shown: Shown) -> str:
    # Not its address, which behind proxies is another one for each connection.
    return f"{request.headers.get('User-Agent', '')} {shown.header}"


def _by_token(_server: Server, shown: Shown, role: Role | None) -> Owner:
    if role is None:
        return Owner(ANONYMOUS)
    caller = _nobody() or (_gatekeeper().admit(shown.token) if shown.token else None)
    if caller is None:
        raise Unauthorized
    if caller.role < role:
        raise Forbidden(f"this needs a token with the role {role.name.lower()}")
    return Owner(caller.owner)


def _by_own_credentials(server: Server, shown: Shown, _role: Role | None) -> Owner:
    if not shown.header:
        return Owner(ANONYMOUS)
    if _SCHEME_OF_ONE.match(shown.header) and not _ONE_TOKEN.fullmatch(shown.header):
        # Two headers of that name come as one, and the other one may hold a token of ours.
        raise InvalidInput("Authorization", "must show one token, and nothing besides")
    if _has_ours(shown):
        raise Forbidden(
            "this has a token of this service in it, and the TES server must not see it: "
            f"show what server {server.key!r} itself asks for"
        )
    return services().gateway.fingerprinter.owner_of(shown.header, server.key)


def _has_ours(shown: Shown) -> bool:
    keeper = _gatekeeper()
    return (
        looks_like_ours(shown.header)
        or any(map(keeper.is_static, words_of(shown.header)))
        or any(map(keeper.may_know, shown.secrets))
    )


def _by_nothing(_server: Server, shown: Shown, _role: Role | None) -> Owner:
    caller = _known_caller(shown)
    return Owner(caller.owner if caller else ANONYMOUS)


def _known_caller(shown: Shown) -> Caller | None:
    return _nobody() or (_gatekeeper().recognise(shown.token) if shown.token else None)


def _nobody() -> Caller | None:
    """With authentication off, everybody is the one local owner."""
    try:
        return _gatekeeper().admit_unasked()
    except Unauthorized:
        return None


_ACCESS: dict[Access, Callable[[Server, Shown, Role | None], Owner]] = {
    Access.TOKEN: _by_token,
    Access.PASS: _by_own_credentials,
    Access.OPEN: _by_nothing,
}


def read_authorization(header: str) -> Shown:
    """Raises `InvalidInput` for what is no header's value."""
    header = header.strip()
    if not header.isprintable():
        raise InvalidInput("Authorization", "must be printable")
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if not value:
        # A scheme alone shows nothing.
        return Shown()
    if scheme.lower() != "basic":
        return Shown(header, (value,))
    user, password = _read_basic(value)
    return Shown() if (user, password) in _NOBODY else Shown(header, (password, user, value))


def _read_basic(value: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(value, validate=True).decode()
    except ValueError:
        # It is for whoever asked for it to judge.
        return value, value
    user, _, password = text.partition(":")
    return user, password


def _gatekeeper() -> Gatekeeper:
    return cast("Gatekeeper", current_app.extensions["gatekeeper"])
