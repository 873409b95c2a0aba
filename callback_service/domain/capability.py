"""Ids, callback tokens and signing secrets: how each is made, hidden and compared."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

API_TOKEN_PREFIX = "cbs_"  # noqa: S105  how they begin, no token
_SECRET_PREFIX = "whsec_"  # noqa: S105  the prefix of Standard Webhooks, no secret


def new_run_id() -> str:
    """80 random bits: never guessed, and without a dot, for it is a key inside documents."""
    return "r" + secrets.token_hex(10)


def new_callback_token(run_id: str) -> str:
    """`RUN.RANDOM`: the run is found by its id, so that the random part is only ever compared."""
    return f"{run_id}.{secrets.token_urlsafe(32)}"


def derived_callback_token(run_id: str, key: bytes) -> str:
    """The same token each time, for a run whose callback URL is handed out again and again."""
    digest = hmac.digest(key, b"callback token of " + run_id.encode(), "sha256")
    return f"{run_id}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def new_api_token() -> str:
    return API_TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it: `whsec_` + base64 of 32 random bytes."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def run_id_of(token: str) -> str:
    return token.partition(".")[0]


def hash_token(token: str) -> str:
    """Tokens are random, so a plain digest hides them as well as a slow one."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Capability:
    """A secret or the hash of a token; replaced ones stay valid until `expires_at`."""

    value: str
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


def opens(held: tuple[Capability, ...], token: str, now: datetime) -> bool:
    """Whether `token` is the one whose hash is held, in constant time."""
    digest = hash_token(token)
    # No short cut: every held hash is compared.
    matches = [hmac.compare_digest(one.value, digest) and one.is_valid(now) for one in held]
    return any(matches)
