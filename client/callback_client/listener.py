"""How one callback reaches whoever listens at a callback URL, and what the answer means."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

import requests

from callback_client.backlog import Change
from callback_client.signature import sign, webhook_headers
from callback_client.version import VERSION

# A busy listener and one that starts are as good as none: both pass.
PASSING = (408, 425, 429)
# An answer is worth a line in a log, and nothing else; the connection of a longer one is given up.
LONGEST_ANSWER = 2048
LONGEST_REASON = 200


class Answer(NamedTuple):
    """What came of telling a change.

    `told`, or else whether it is worth trying `again`, after how many seconds if the listener
    said so, and why it was not told, in words that do not show the URL.
    """

    told: bool
    again: bool = False
    reason: str = ""
    retry_after: Optional[float] = None


class Listener:
    """Whoever listens at a callback URL.

    The URL is a credential: `origin` is what of it may be shown. Only one thread at a time may
    tell it something.
    """

    def __init__(self, url: str, secret: Optional[str] = None) -> None:
        self.origin = _origin(url)
        self._url = url
        self._secret = secret
        parts = urlsplit(url)
        self._hidden = [word for word in (parts.path.rsplit("/", 1)[-1], parts.query) if word]
        if secret is not None:
            sign("", 0, "", secret)  # Raises here what would be raised in nobody's sight later.
        self.forget_connections()

    def forget_connections(self) -> None:
        """Begin with new ones: those before belong to the process that this one was forked from."""
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"tes-callback-client/{VERSION}"
        # Else requests looks for the host in a .netrc file, and shows strangers what it finds.
        self._session.auth = _as_it_is

    def close(self) -> None:
        self._session.close()

    def tell(self, change: Change, timeout: Tuple[float, float]) -> Answer:
        """Try once. `timeout` is in seconds, for connecting and for the answer."""
        body = json.dumps({"id": change.task_id, "state": change.state}).encode()
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            now = int(time.time())
            headers.update(webhook_headers(change.message_id, now, body, self._secret))
        try:
            with self._session.post(
                self._url,
                data=body,
                headers=headers,
                timeout=timeout,
                # A redirected POST would arrive as a GET, or where the owner of the task did not
                # mean it to.
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = _beginning(answer)
        # Whatever it is, and requests lets some of urllib3's pass: the thread must outlive it.
        except Exception as error:  # noqa: BLE001
            return Answer(told=False, again=True, reason=_what_failed(error))
        status = answer.status_code
        return Answer(
            told=200 <= status < 300,
            again=status in PASSING or status >= 500,
            reason=self._said(status, answer.reason, content),
            retry_after=_seconds(answer.headers.get("Retry-After", ""), time.time()),
        )

    def _said(self, status: int, phrase: str, content: bytes) -> str:
        try:
            found = json.loads(content)
            detail = str(found["detail"])
        except (ValueError, TypeError, KeyError):
            detail = ""
        # Some repeat the path that they were asked for, and the URL belongs into no log.
        if any(word in detail for word in self._hidden):
            detail = ""
        words = f"{status} {phrase}: {detail}" if detail else f"{status} {phrase}"
        # One line, and none that a terminal would do something with.
        return "".join(c if c.isprintable() else " " for c in words)[:LONGEST_REASON]


def _beginning(answer: requests.Response) -> bytes:
    try:
        # All of it where it is short: the connection can be used again then.
        return next(answer.iter_content(LONGEST_ANSWER), b"")
    except Exception:  # noqa: BLE001 - the status has said already what became of the state
        return b""


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _origin(url: str) -> str:
    """Scheme and host. Raises `ValueError` where nothing can be posted to the URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("a callback URL is an http or https URL without user info")
    try:
        requests.Request("POST", url).prepare()
    except (requests.RequestException, ValueError):
        # Without the cause, which shows the URL.
        raise ValueError("a callback URL is one that can be posted to") from None
    return f"{parts.scheme}://{parts.netloc}"


def _what_failed(error: BaseException) -> str:
    """What the system said. Never the message of requests or urllib3, which have the URL in it."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    cause: Optional[BaseException] = error
    reason = type(error).__name__
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return reason


def _seconds(text: str, now: float) -> Optional[float]:
    """What `Retry-After` says: a number of seconds or a date."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
