"""Asks the running service over HTTP, and turns whatever goes wrong into one sentence."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec
from urllib.parse import quote, urlsplit

import typer

from callback_service.embedded.folder import DataFolder
from callback_service.embedded.ports import is_loopback
from callback_service.entrypoints.cli.failures import CommandFailed, ExitCode

if TYPE_CHECKING:
    # `--help` does not wait for it.
    import requests

P = ParamSpec("P")
Json = dict[str, Any]

DEFAULT_URL = "http://127.0.0.1:8080"
PATIENCE = 15.0
# The longest page and the most tasks that the contract allows in one request.
_PAGE = 1000
_TASKS_AT_ONCE = 1000

_PANEL = "Which service"
_URL = typer.Option(
    envvar="CALLBACK_SERVICE_URL", help="Where the service is.", rich_help_panel=_PANEL
)
Url = Annotated[str, _URL]
OptionalUrl = Annotated[str | None, _URL]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="CALLBACK_API_TOKEN",
        help="What the service knows you by. Without it, that of `up` on this machine.",
        rich_help_panel=_PANEL,
    ),
]
Data = Annotated[
    Path,
    typer.Option(
        envvar="CALLBACK_DATA",
        metavar="DIR",
        help="The data folder of `up`, for its token.",
        rich_help_panel=_PANEL,
    ),
]


class Refused(CommandFailed):
    """The service answered, and did not do it."""

    def __init__(self, sentence: str, status: int) -> None:
        wrong_use = status in {400, 401, 413, 415}
        super().__init__(sentence, ExitCode.WRONG_USE if wrong_use else ExitCode.FAILED)
        self.status = status


class Unavailable(CommandFailed):
    """No answer, or none for now."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, ExitCode.UNAVAILABLE)


class ServiceClient:
    """The service at `url`; a path begins with a slash, an answer is the JSON that came back."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.token = token

    def get(self, path: str, query: Mapping[str, Any] | None = None, wait: float = 0) -> Any:
        """`wait`: for how many seconds the service was asked to hold the answer back."""
        return self._ask("GET", path, params=query, timeout=PATIENCE + wait)

    def post(self, path: str, body: Json | None = None) -> Any:
        return self._ask("POST", path, json=body)

    def patch(self, path: str, body: Json) -> Any:
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def pages(
        self, path: str, plural: str, query: Mapping[str, Any], limit: int, token: str | None
    ) -> Json:
        """As many pages as `limit` takes, as one."""
        found: list[Json] = []
        while len(found) < limit:
            size = min(_PAGE, limit - len(found))
            page = self.get(path, {**query, "page_size": size, "page_token": token})
            if plural not in page:
                raise _another_service(origin_of(self.url))
            found += page[plural]
            token = page.get("next_page_token")
            if not token:
                return {plural: found}
        return {plural: found, "next_page_token": token}

    def register_run(self, wish: Json, tasks: Sequence[Json]) -> Json:
        """A new run that follows any number of tasks, each with `id` and perhaps `server`."""
        first = {"tasks": list(tasks[:_TASKS_AT_ONCE])} if tasks else {}
        run: Json = self.post(path_of("runs"), {**wish, **first})
        self.follow(run["id"], tasks[_TASKS_AT_ONCE:])
        return run

    def follow(self, run_id: str, tasks: Sequence[Json]) -> list[Json]:
        """How the tasks stand that the run follows from now on."""
        states = []
        for start in range(0, len(tasks), _TASKS_AT_ONCE):
            piece = list(tasks[start : start + _TASKS_AT_ONCE])
            states += self.post(path_of("runs", run_id, "tasks"), {"tasks": piece})["states"]
        return states

    def _ask(self, method: str, path: str, **rest: Any) -> Any:
        try:
            return exchange(self._session, method, self.url + path, **rest)
        except Refused as error:
            if error.status == 401:
                raise Refused(self._advise_about_token(), 401) from error
            raise

    @cached_property
    def _session(self) -> "requests.Session":
        return new_session(self.url, self.token)

    def _advise_about_token(self) -> str:
        if self.token:
            return f"The service at {self.url} does not know this token."
        return (
            f"The service at {self.url} wants a token: give one by --token or CALLBACK_API_TOKEN, "
            "or name the data folder of `callback-service up` by --data."
        )


def new_session(url: str, token: str | None = None) -> "requests.Session":
    import requests

    session = requests.Session()
    # No proxy reaches this machine's own loopback.
    session.trust_env = not _is_local(url)

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    # Set even without a token: `requests` would otherwise look for one in ~/.netrc.
    session.auth = authorize
    session.headers["Accept"] = "application/json"
    return session


def exchange(
    session: "requests.Session", method: str, url: str, *, timeout: float = PATIENCE, **rest: Any
) -> Any:
    """One request and the JSON of its answer. Errors name the host only: URLs may be secrets."""
    import requests
    from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

    where = origin_of(url)
    try:
        answer = session.request(method, url, timeout=(5.0, timeout), allow_redirects=False, **rest)
    except (InvalidSchema, InvalidURL, MissingSchema) as error:
        raise CommandFailed(f"{where} is no http or https URL.", ExitCode.WRONG_USE) from error
    except requests.exceptions.SSLError as error:
        raise Unavailable(f"{where} has no certificate that is trusted here.") from error
    except requests.Timeout as error:
        raise Unavailable(f"{where} does not answer in time.") from error
    except requests.RequestException as error:
        raise Unavailable(
            f"Nothing answers at {where}: start the service by `callback-service up`, "
            "or name another by --url."
        ) from error
    return _read(answer, where)


def origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "This"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if parts.scheme and host else f"“{url.partition('/')[0]}”"


def _read(answer: "requests.Response", where: str) -> Any:
    if answer.status_code >= 500 or answer.status_code == 429:
        raise Unavailable(f"{where} cannot do it now: {_reason(answer)}")
    if answer.status_code >= 400:
        raise Refused(_reason(answer), answer.status_code)
    if answer.status_code == 204 or (answer.ok and not answer.content):
        return None
    try:
        found = answer.json() if answer.status_code < 300 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _another_service(where)
    return found


def _another_service(where: str) -> CommandFailed:
    return CommandFailed(f"What answers at {where} is another service.", ExitCode.WRONG_USE)


def _reason(answer: "requests.Response") -> str:
    """The sentence of the problem document, or the status where there is none."""
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError):
        detail = f"it answered {answer.status_code} {answer.reason or ''}".rstrip()
    return detail if detail.endswith((".", "!", "?")) else f"{detail}."


def path_of(*parts: str, verb: str = "") -> str:
    """`/v1/runs/ID:pause` of its parts, which may hold anything."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts) + (f":{verb}" if verb else "")


def connect(url: str, token: str | None, data: Path) -> ServiceClient:
    """The service that is meant, with the token that is at hand."""
    found = token or (_token_in(data) if _is_local(url) else None)
    if found and not (found.isascii() and found.isprintable()):
        raise CommandFailed("The token has characters that no token has.", ExitCode.WRONG_USE)
    return ServiceClient(url, found)


def _token_in(data: Path) -> str | None:
    """That of `up`. It is shown to this machine only, whatever URL is given beside it."""
    file = DataFolder(data.expanduser()).token
    try:
        return file.read_text().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "not a text"
        raise CommandFailed(f"{file} cannot be read: {reason}.", ExitCode.WRONG_USE) from error


def _is_local(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


_OPTIONS = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
    for name, kind, default in (
        ("url", Url, DEFAULT_URL),
        ("token", Token, None),
        ("data", Data, Path("callback-data")),
    )
]


def with_service(command: Callable[Concatenate[ServiceClient, P], None]) -> Callable[..., None]:
    """Give a command the service in the place of the options that say which one is meant."""

    @wraps(command)
    def run(*args: Any, url: str, token: str | None, data: Path, **rest: Any) -> None:
        command(connect(url, token, data), *args, **rest)

    _, *own = inspect.signature(command).parameters.values()
    # What typer reads.
    vars(run)["__signature__"] = inspect.Signature([*own, *_OPTIONS])
    return run
