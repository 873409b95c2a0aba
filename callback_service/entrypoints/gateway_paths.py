"""Each address of the gateway, mapped onto the one API that the contract describes.

The TES operations are there once, at `/ga4gh/tes/v1`. Clients ask below other bases, too, and each
registered server has bases of its own: what they mean is noted for the controllers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from callback_service.domain.tes import Variant

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

ADDRESS = "callback_service.address"
# Bytes that the body of this request may have, where it is not as many as everywhere.
LONGEST_BODY = "callback_service.longest_body"

API = "/ga4gh/tes/v1"
_GATEWAY = "/gateway/"
_TASK = "/tasks/"
_BASES = {Variant.GA4GH: API, Variant.V1: "/v1", Variant.ROOT: ""}
_OLD_SERVICE_INFO = "/tasks/service-info"
# What may stand in a segment of a path as it is (RFC 3986), but for the semicolon: behind it, some
# servers see no more of the id.
_PLAIN = "!$&'()*+,:=@~"


@dataclass(frozen=True, slots=True)
class Address:
    """`path` is the one below `API`; `server` is None for the default one.

    Ids stand in it as in a URL: a slash of an id is none of the path.
    """

    path: str
    server: str | None
    variant: Variant
    is_old_service_info: bool = False


class GatewayPaths:
    """WSGI middleware; other paths go through it as they are."""

    def __init__(self, app: "WSGIApplication", longest_task: int) -> None:
        """`longest_task`: bytes of a task that is handed in."""
        self._app = app
        self._longest_task = longest_task

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        address = read_address(environ.get("PATH_INFO", ""))
        if address:
            environ = {**environ, **self._notes(address, environ)}
        return self._app(environ, start_response)

    def _notes(self, address: Address, environ: Mapping[str, Any]) -> dict[str, Any]:
        notes: dict[str, Any] = {"PATH_INFO": API + address.path, ADDRESS: address}
        if address.path == "/tasks" and environ["REQUEST_METHOD"] == "POST":
            notes[LONGEST_BODY] = self._longest_task
        return notes


def read_address(path: str) -> Address | None:
    """`path` is unquoted, each byte a character, as WSGI has it; None where it is not ours."""
    server, rest = None, path
    if path.startswith(_GATEWAY):
        server, slash, rest = path.removeprefix(_GATEWAY).partition("/")
        rest = slash + rest
    for variant, base in _BASES.items():
        below = rest.removeprefix(base)
        if rest.startswith(base) and _is_ours(below, server, variant):
            return _address(below, server, variant)
    return None


def _is_ours(path: str, server: str | None, variant: Variant) -> bool:
    """Whether TES has such a path, and the service's own API has not."""
    is_task = path.startswith(_TASK) and path != _TASK
    if server is None and variant is Variant.V1:
        # There, two segments name a server and a task, and service-info is our own.
        return path == "/tasks" or (is_task and "/" not in path.removeprefix(_TASK))
    return is_task or path in {"/tasks", "/service-info"}


def _address(path: str, server: str | None, variant: Variant) -> Address:
    if variant is Variant.V1 and path == _OLD_SERVICE_INFO:
        return Address("/service-info", server, variant, is_old_service_info=True)
    if not path.startswith(_TASK):
        return Address(path, server, variant)
    task_id = path.removeprefix(_TASK).encode("latin-1")
    return Address(_TASK + quote_from_bytes(task_id, safe=_PLAIN), server, variant)
