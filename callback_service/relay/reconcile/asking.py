"""The questions of one poll: counted, bounded, and each answer taken for what it is."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote, urlencode

from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from callback_service.domain.states import State
from callback_service.domain.tes_answers import Page, read_page, read_state, read_wait
from callback_service.relay.ports import Clock, Question, Reply, TesServers

# What servers answer to a list, or to a filter, that they do not know.
_KNOWS_NOT = {400, 404, 405, 501}
# What urllib and every server make of them is another path.
_DOTS = {".", ".."}


class NoList(Exception):
    """The server has no such list."""


class Silent(Exception):
    """The server tells nothing of the one task."""


class Asking:
    """Every method raises `ServerFailed` where the server does not do what it is there for.

    `is_cut` says that the worker ends, or that the claim was lost.
    """

    def __init__(
        self,
        servers: TesServers,
        server: Server,
        allowance: int,
        clock: Clock,
        is_cut: Callable[[], bool],
    ) -> None:
        self._servers = servers
        self._server = server
        self._allowance = allowance
        self._clock = clock
        self._is_cut = is_cut
        self._is_proven = False
        self.requests = 0
        # For how long the server wants to be left alone.
        self.wait = timedelta()

    @property
    def is_over(self) -> bool:
        return self.requests >= self._allowance or self._is_cut()

    def list(self, size: int, **filters: str) -> Page:
        """A page of tasks. Raises `NoList`."""
        query = urlencode({"view": "MINIMAL", "page_size": size, **filters})
        reply = self._ask("/tasks", query)
        if reply.status in _KNOWS_NOT:
            raise NoList
        if reply.status != 200:
            raise self._failure(reply)
        try:
            page = read_page(reply.body)
        except ValueError as error:
            raise ServerFailed(f"its list of tasks cannot be read: {error}") from None
        self._is_proven = True
        return page

    def get(self, task_id: str) -> State | None:
        """The state of a task; None: there is none. Raises `Silent`."""
        if task_id in _DOTS:
            raise Silent
        reply = self._ask(f"/tasks/{quote(task_id, safe='')}", "view=MINIMAL")
        if reply.status == 200:
            return self._read(reply.body, task_id)
        if reply.status == 429 or "retry-after" in reply.headers:
            raise self._failure(reply)
        # One task may be forbidden, lost, or too much for a server that tells of all the others.
        if not self._is_proven:
            self._prove()
        if reply.status == 404:
            return None
        raise Silent

    def _read(self, body: bytes, task_id: str) -> State:
        try:
            state = read_state(body, task_id)
        except ValueError:
            raise Silent from None
        self._is_proven = True
        return state

    def _prove(self) -> None:
        """See that there is a TES server: what knows nothing may be a proxy before none."""
        try:
            self.list(1)
        except NoList:
            if self._ask("/service-info", "").status != 200:
                raise ServerFailed(
                    "answers nothing that a TES server does; is its URL the base of its TES API?"
                ) from None
        self._is_proven = True

    def _ask(self, path: str, query: str) -> Reply:
        self.requests += 1
        return self._servers.ask(self._server, Question(path, query=query))

    def _failure(self, reply: Reply) -> ServerFailed:
        self.wait = read_wait(reply.headers, self._clock.now())
        return ServerFailed(f"the TES server {self._server.key} {self._refusal(reply.status)}")

    def _refusal(self, status: int) -> str:
        if status not in {401, 403}:
            return f"answered {status}"
        if self._server.credentials is None:
            return (
                f"answered {status}, so it wants credentials: put some into the settings, and "
                "name them with `servers change --credentials`"
            )
        return (
            f"answered {status} to the credentials {self._server.credentials!r}: "
            "mend them in the settings, or name others with `servers change --credentials`"
        )
