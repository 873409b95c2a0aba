"""Credentials that are a server's business, as an owner's name that gives nothing away."""

import hmac
import secrets
from contextlib import suppress
from hashlib import sha256
from typing import NamedTuple

from callback_service.domain.errors import Unavailable
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.ports import Fingerprints

ANONYMOUS = "anonymous"
_PREFIX = "fp:"


class Owner(NamedTuple):
    """`is_lasting`: the same credentials have the same name again, in every process."""

    name: str
    is_lasting: bool = True


class Fingerprinter:
    def __init__(self, fingerprints: Fingerprints, breaker: Breaker) -> None:
        self._fingerprints = fingerprints
        self._breaker = breaker
        # For the time until the key is known: two callers are two then, too.
        self._passing = secrets.token_bytes(32)
        self._key: bytes | None = None

    def key(self) -> bytes | None:
        """The secret of this installation; None while the database cannot say it."""
        if self._key is None:
            with suppress(Unavailable):
                self._key = self._breaker.call(self._fingerprints.key)
        return self._key

    def owner_of(self, authorization: str, server: str) -> Owner:
        """The owner whom a server knows by these credentials."""
        key = self.key()
        # The server, for what is valid at one says nothing of another. Keys have no NUL in them.
        meaning = f"{server}\0{authorization}".encode()
        name = _PREFIX + hmac.new(key or self._passing, meaning, sha256).hexdigest()
        return Owner(name, is_lasting=key is not None)
