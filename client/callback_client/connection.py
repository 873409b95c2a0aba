"""How requests reach the service; every failure on the way is a `CallbackServiceError`."""

from __future__ import annotations

from http.client import RemoteDisconnected
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Tuple, TypeVar
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from callback_client.errors import CallbackServiceError, FieldError, ServiceUnreachable
from callback_client.version import VERSION

Query = Iterable[Tuple[str, Any]]
T = TypeVar("T")

# So many threads of a program can wait for their tasks at once without connecting anew each time.
_CONNECTIONS = 64


def segment(text: str) -> str:
    """A piece of a path, whatever it contains. Raises `ValueError` where it would be none."""
    if text in ("", ".", ".."):
        raise ValueError(f"not an id: {text!r}")
    return quote(text, safe="")


class Connection:
    """Sends requests to one service and reads what it answers.

    Nothing in it changes after it was made, so threads can share it. URL and token are checked.
    """

    def __init__(self, url: str, token: str, timeout: float) -> None:
        self.url = url
        self._timeout = timeout
        self._session = requests.Session()
        self._session.auth = _Bearer(token)
        self.token = token
        self._session.headers["User-Agent"] = f"tes-callback-client/{VERSION}"
        self._session.headers["Accept"] = "application/json, application/problem+json"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def ask(  # noqa: PLR0913 - what makes a request, and how to read its answer
        self,
        read: Callable[[Any], T],
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Optional[Mapping[str, Any]] = None,
        wait: float = 0,
    ) -> T:
        """What `read` makes of the answer, for which the service may take `wait` seconds more.

        Raises `CallbackServiceError` for a problem, `ServiceUnreachable` for no answer.
        """
        answer = self._send(method, path, query, body, wait)
        if not answer.ok or answer.is_redirect:
            raise _problem(answer)
        try:
            content = answer.json() if answer.content else None
        except ValueError:
            # Cut off, or from something in between: a proxy, a login page.
            raise ServiceUnreachable(f"what {self.url} answered is not JSON") from None
        try:
            return read(content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CallbackServiceError(
                f"what {self.url} answered is not understood ({error!r})", status=answer.status_code
            ) from error

    def pages(
        self, read: Callable[[Any], T], plural: str, path: str, query: Query = ()
    ) -> Iterator[T]:
        """The items of a list, which stand under `plural`, fetched page by page."""
        token = None
        while True:
            asked = [*query, ("page_token", token)]
            items, token = self.ask(
                lambda page: ([read(item) for item in page[plural]], page.get("next_page_token")),
                "GET",
                path,
                query=asked,
            )
            yield from items
            if not token:
                return

    def close(self) -> None:
        self._session.close()

    def _send(
        self, method: str, path: str, query: Query, body: Optional[Mapping[str, Any]], wait: float
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self.url + path,
                params=[(name, value) for name, value in query if value is not None],
                json=body,
                timeout=(self._timeout, self._timeout + wait),
                # A redirected POST would arrive as a GET; the right URL is better than a guess.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ServiceUnreachable(f"{self.url} does not answer: {_reason(error)}") from error


class _Bearer(AuthBase):
    """Shows the token, if there is one.

    As `auth` and not as a header, for requests would replace a header by what it finds in a
    .netrc file.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _problem(answer: requests.Response) -> CallbackServiceError:
    try:
        found = answer.json()
    except ValueError:
        found = None
    problem = found if isinstance(found, dict) else {}
    detail, errors = problem.get("detail", ""), problem.get("errors")
    if answer.is_redirect:
        detail = f"the service is elsewhere: {answer.headers.get('Location')}"
    return CallbackServiceError(
        str(detail),
        status=answer.status_code,
        title=str(problem.get("title") or answer.reason or ""),
        errors=[
            FieldError(str(error.get("field", "")), str(error.get("reason", "")))
            for error in (errors if isinstance(errors, list) else ())
            if isinstance(error, dict)
        ],
        retry_after=_seconds(answer.headers.get("Retry-After", "")),
    )


def _seconds(text: str) -> Optional[float]:
    # The date that it may be as well is none that this service sends.
    return float(text) if text.isascii() and text.isdigit() else None


def _reason(error: BaseException) -> str:
    """What the system said, which requests and urllib3 wrap several times."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    reason = str(error)
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
        elif isinstance(cause, RemoteDisconnected):
            reason = "it closed the connection"
        cause = cause.__cause__ or cause.__context__
    return reason
