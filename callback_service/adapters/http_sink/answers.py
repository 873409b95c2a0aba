"""What a receiver's answer is read for: status, Retry-After, and the start of its body."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp

from callback_service.domain.delivery import Answer
from callback_service.domain.retry import MAX_RETRY_AFTER

BODY_LIMIT = 2048


async def read_answer(response: aiohttp.ClientResponse, now: datetime, deadline: float) -> Answer:
    """The answer, with as much of its body as is kept and comes before the deadline."""
    return Answer(
        status=response.status,
        error=_redirect(response.status),
        retry_after=retry_after(response.headers.get("Retry-After"), now),
        body=await _body(response, deadline),
    )


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """How long a receiver wants to be left alone (RFC 9110: seconds or a date), at most a day."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        # As float, for a number may have thousands of digits.
        return timedelta(seconds=min(float(text), MAX_RETRY_AFTER.total_seconds()))
    try:
        wait = _aware(parsedate_to_datetime(text)) - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta()), MAX_RETRY_AFTER)


def _aware(date: datetime) -> datetime:
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _redirect(status: int) -> str | None:
    return f"answered {status}; redirects are not followed" if 300 <= status < 400 else None


async def _body(response: aiohttp.ClientResponse, deadline: float) -> str:
    """The status was said: whatever becomes of the body, it is only for people to read."""
    body = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout_at(deadline):
            while len(body) < BODY_LIMIT:
                chunk = await response.content.read(BODY_LIMIT - len(body))
                if not chunk:
                    break
                body += chunk
    if response.headers.get("Content-Encoding", "identity") != "identity":
        # We ask for none, and unpack none: 2 kB can become gigabytes.
        return ""
    return body.decode(errors="replace")
