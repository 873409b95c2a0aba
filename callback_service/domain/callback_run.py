"""Runs that nobody registered: the gateway makes them, for tasks that come through it."""

import hashlib
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from callback_service.domain.capability import (
    Capability,
    derived_callback_token,
    hash_token,
    new_run_id,
    new_secret,
)
from callback_service.domain.run import Run
from callback_service.domain.sink import Format, HttpSink

# So long tasks come together in one run; the last of them has as long again to end.
PERIOD = timedelta(days=7)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def callback_sink(url: str) -> HttpSink:
    return HttpSink(url, Format.TES)


def callback_run(owner: str, server: str, url: str, now: datetime) -> Run:
    """The same run for all tasks that name the URL within a period, whichever process is asked."""
    # Owners share no run, a run has one server and one sink; and it must end some day, although
    # tasks keep coming.
    meaning = (owner, server, url, str((now - _EPOCH) // PERIOD))
    return _run("r" + digest_of(*meaning)[:20], owner, server, url, now)


def another_callback_run(owner: str, server: str, url: str, now: datetime) -> Run:
    """For when that one has ended: what was deleted does not come back."""
    return _run(new_run_id(), owner, server, url, now)


def listener_run(owner: str, server: str, now: datetime, key: bytes) -> tuple[Run, str]:
    """The run whose callback URL a server that calls back gets, and its token.

    Nobody is told anything by it: its callbacks are about the owner's tasks, and who follows
    those is told.
    """
    meaning = ("listener", owner, server, str((now - _EPOCH) // PERIOD))
    run_id = "r" + digest_of(*meaning)[:20]
    token = derived_callback_token(run_id, key)
    run = Run(
        id=run_id,
        owner=owner,
        server=server,
        name=f"what {server} says of tasks from the gateway",
        tokens=(Capability(hash_token(token)),),
        created_at=now,
        expires_at=now + 2 * PERIOD,
    )
    return run, token


def _run(run_id: str, owner: str, server: str, url: str, now: datetime) -> Run:
    return Run(
        id=run_id,
        owner=owner,
        server=server,
        # The host only: a callback URL is a secret between its client and us.
        name=f"callbacks of {urlsplit(url).hostname}",
        sink=callback_sink(url),
        # Deliveries are signed like all others. No token: nobody calls back to this run.
        secrets=(Capability(new_secret()),),
        created_at=now,
        expires_at=now + 2 * PERIOD,
    )


def digest_of(*parts: str | bytes) -> str:
    """One digest of several parts, of which none can pass for a piece of another."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
