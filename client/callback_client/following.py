"""The tasks of one program, followed at the service instead of asked for at the TES server."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import datetime
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple, TypeVar
from urllib.parse import urlsplit

from callback_client.client import CallbackClient
from callback_client.errors import CallbackServiceError
from callback_client.news import News
from callback_client.rests import Rests
from callback_client.turns import Turns
from callback_client.updates import LONGEST_RETRY_AFTER, Clock
from callback_client.values import FINAL_STATES, Server, Update

log = logging.getLogger("callback_client")

UNKNOWN = "UNKNOWN"
_LONGEST_WAIT = 30.0
# How long the service may take to see a task for the first time.
UNSEEN = 5.0
# A server is registered by a person: that takes longer than a service to come back.
REST_OF_STRANGERS = 60.0
# The service may answer and be told nothing: its workers may be down, its credentials refused. It
# looks at long tasks once a minute.
CHECK_EVERY = 30.0
BLIND_AFTER = 180.0
# What the service takes for an id. Other tasks stay between the program and its server.
LONGEST_ID = 512
# What clients put before `/tasks`, and people into URLs or not.
_BASE_PATHS = ("/ga4gh/tes/v1", "/v1")
_PORTS = {"http": 80, "https": 443}

T = TypeVar("T")
# The TES server's URL and the task's id.
Key = Tuple[str, str]


class NoSuchServer(Exception):
    """The service has no TES server registered at this URL; it may know others."""


class Following:
    """Follows tasks in one run, registered when there is a first one. Threads share it.

    It raises nothing: where the service is of no use, it says so once in the log, and
    `state` answers None until the service is back.
    """

    def __init__(
        self,
        client: CallbackClient,
        run: str = "",
        server: Optional[str] = None,
        clock: Optional[Clock] = None,
        register: Optional[Callable[[str], str]] = None,
    ) -> None:
        """`register` is what makes the run, and answers its id, where it is no plain one.

        It is told the server of the first task: a service that knows several asks which it is.
        """
        self._client = client
        self._register = register or (lambda name: client.register(run, server=name).id)
        self._server = server
        self._clock = clock or Clock()
        self._rests = Rests(self._clock)
        self._registering = threading.Lock()
        self._settling = Turns()
        self._listing = Turns()
        self._thread = threading.local()
        self._run_id: Optional[str] = None
        self._servers: Dict[str, str] = {}
        # Until when nobody asks again whether there is a server.
        self._strangers: Dict[str, float] = {}
        self._own_gateways: Dict[str, bool] = {}
        self._looks: Dict[str, _Look] = {}
        # Tasks are there before the run has them, and longer than it does not answer.
        self._owed: Set[Key] = set()
        self._followed: Set[Key] = set()
        self._told: Dict[Key, str] = {}
        self._cursors: Dict[str, str] = {}
        self.news = News(lambda: self._attempt(self._updates) if self._run_id else None)

    def follow(self, url: str, task_id: str) -> None:
        """There is this task at that TES server. If the service is away, it is told later."""
        key = (url, task_id)
        if _is_task_id(task_id) and key not in self._followed:
            self._owed.add(key)
            if not self._is_stranger(url):
                self._attempt(self._settle)

    def token_for(self, url: str) -> Optional[str]:
        """The service's own token, where this is its gateway, which asks for none but such ones."""
        if not self._client.token:
            return None
        # What was found out holds while the service is away, too: clients are made for each job.
        found = self._own_gateways.get(url)
        if found is None:
            found = self._attempt(lambda: self._is_own_gateway(url))
        return self._client.token if found else None

    def note(self, url: str, task_id: str, state: str) -> None:
        """The TES server itself told the program this."""
        self._tell((url, task_id), state)

    def state(self, url: str, task_id: str, wait: float, *, often: bool = False) -> Optional[str]:
        """How the task stands; None: ask the TES server.

        A thread that asks for the same task again waits for news of it, up to `wait` seconds.
        One that goes round many is answered at once: none may hold up the others. `often` is for
        those who would ask the server several times a second.
        """
        key = (url, task_id)
        is_same = getattr(self._thread, "asked_last", None) == key
        self._thread.asked_last = key
        is_named = key in self._followed or key in self._owed
        if not is_named or self._is_stranger(url):
            return None
        found = self._attempt(lambda: self._look_up(key, wait if is_same else 0, often=often))
        if found:
            self._tell(key, found)
        return found

    def _tell(self, key: Key, state: str) -> None:
        if state not in FINAL_STATES:
            self._told[key] = state
            return
        # Forgotten: a program may run for ever, and few ask for what has ended. It is not taken
        # back either, where the service has not seen an end yet that the server told.
        self._told.pop(key, None)
        self._followed.discard(key)
        self._owed.discard(key)

    def _attempt(self, ask: Callable[[], T]) -> Optional[T]:
        number = self._rests.begin()
        if number is None:
            return None
        try:
            answer = ask()
        except NoSuchServer:
            # Of other servers it is asked all the same.
            answer = None
        except Exception as error:  # noqa: BLE001 - whatever it is, py-tes would not have raised it
            at_least = min(getattr(error, "retry_after", None) or 0.0, LONGEST_RETRY_AFTER)
            if self._rests.fail(number, at_least):
                why = _why(self._client.url, error)
                log.warning("%s; asking the TES server meanwhile", why)
            return None
        if self._rests.succeed(number):
            log.warning("%s is back", self._client.url)
        return answer

    def _settle(self) -> None:
        if not self._owed:
            return
        # Of those who come at once the first adds its own task, and the second all others.
        with self._settling:
            self._settle_in_turn()

    def _settle_in_turn(self) -> None:
        try:
            self._add_owed()
        except CallbackServiceError as error:
            if error.status != 404:
                raise
            # The run had expired, or somebody had deleted it: into another one.
            self._add_owed()

    def _add_owed(self) -> None:
        owed: List[Key] = []
        named: List[Tuple[str, str]] = []
        for key in sorted(self._owed):
            with suppress(NoSuchServer):
                named.append((self._name_of(key[0]), key[1]))
                owed.append(key)
        if not owed:
            return
        run_id = self._run(named[0][0])
        try:
            self._client.add_tasks(run_id, named)
        except CallbackServiceError as error:
            if error.status == 400:
                # A server may have got another name: look again, the next time.
                self._servers.clear()
            if error.status == 404:
                self._lose(run_id)
            raise
        self._followed.update(owed)
        self._owed.difference_update(owed)

    def _lose(self, run_id: str) -> None:
        """There is no such run: all that was followed in it is owed to the next one."""
        with self._registering:
            # Another thread may have found out as well, and have that one already.
            if self._run_id == run_id:
                self._run_id = None
                self._owed.update(self._followed)
                self._followed.clear()

    def _run(self, server: str) -> str:
        with self._registering:
            if self._run_id is None:
                self._run_id = self._register(server)
                log.info("following tasks in run %s at %s", self._run_id, self._client.url)
            return self._run_id

    def _look_up(self, key: Key, wait: float, *, often: bool) -> Optional[str]:
        self._settle()
        url, task_id = key
        known = self._told.get(key)
        # Who tries whether the service is back shall know it at once.
        wait = 0 if self._rests.is_away else wait if known else UNSEEN
        try:
            name = self._name_of(url)
            task = self._client.task(name, task_id, known or UNKNOWN, wait, often=often)
        except CallbackServiceError as error:
            if error.status != 404:
                raise
            # Forgotten there, and still wanted here.
            self._followed.discard(key)
            self._owed.add(key)
            return None
        is_news = task.state not in (known, UNKNOWN)
        return task.state if is_news or (known == task.state and self._is_seen(url)) else None

    def _updates(self) -> Optional[Sequence[Update]]:
        run_id = self._run_id
        if run_id is None:
            # It has just been lost, and there is another one with the next task.
            return None
        # The first answer says at once that the service tells, and where to go on.
        is_first = self._rests.is_away or run_id not in self._cursors
        wait = 0 if is_first else _LONGEST_WAIT
        try:
            page = self._client.updates_after(run_id, self._cursors.get(run_id), wait)
        except CallbackServiceError as error:
            if error.status == 410 and run_id in self._cursors:
                # From the start: what has ended is no news to anybody twice.
                del self._cursors[run_id]
                return ()
            if error.status == 404:
                # Into another one, when somebody asks for the next of its tasks.
                self._lose(run_id)
            raise
        self._cursors[run_id] = page.cursor
        return page.updates

    def _is_seen(self, url: str) -> bool:
        """Whether the service has looked at the TES server lately, as far as can be told."""
        now = self._clock.now()
        look = self._looks.setdefault(url, _Look(now))
        if now - look.checked_at >= CHECK_EVERY:
            look.checked_at = now
            name = self._name_of(url)
            polls = [one.polling.last_poll_at for one in self._client.servers() if one.name == name]
            look.note(polls[0] if polls else None, now)
        return now - look.moved_at <= BLIND_AFTER

    def _is_own_gateway(self, url: str) -> bool:
        if url not in self._own_gateways:
            with self._listing:
                if url not in self._own_gateways:
                    servers = self._client.servers()
                    self._own_gateways[url] = _is_gateway(url, servers, self._client.url)
        return self._own_gateways[url]

    def _name_of(self, url: str) -> str:
        if self._server:
            return self._server
        name = self._servers.get(url)
        if name is None:
            with self._listing:
                name = self._servers.get(url) or self._search(url)
        if name is None:
            raise NoSuchServer
        return name

    def _is_stranger(self, url: str) -> bool:
        now = self._clock.now()
        return now < self._strangers.get(url, now)

    def _search(self, url: str) -> Optional[str]:
        if self._is_stranger(url):
            return None
        places = dict(_places(self._client.servers(), self._client.url))
        name = places.get(_place(url))
        if name:
            self._servers[url] = name
            if self._strangers.pop(url, None) is not None:
                log.warning("%s is registered at %s now", url, self._client.url)
            return name
        if url not in self._strangers:
            what = "no TES server is registered as %s at %s; asking it itself"
            log.warning(what, url, self._client.url)
        self._strangers[url] = self._clock.now() + REST_OF_STRANGERS
        return None


class _Look:
    """When the service last polled a server, by its clock, and since when that has not moved."""

    def __init__(self, now: float) -> None:
        self.checked_at = self.moved_at = now
        self._polled_at: Optional[datetime] = None

    def note(self, polled_at: Optional[datetime], now: float) -> None:
        if polled_at != self._polled_at:
            self._polled_at, self.moved_at = polled_at, now


def _is_task_id(task_id: object) -> bool:
    is_text = isinstance(task_id, str) and 0 < len(task_id) <= LONGEST_ID
    return is_text and str(task_id).isprintable() and task_id not in (".", "..")


def _why(url: str, error: Exception) -> str:
    """It stands in the program's own log, where "404 Not Found" might be anybody's."""
    if not isinstance(error, CallbackServiceError) or error.status < 400:
        return str(error)
    # Who starts a program does not write its requests.
    hint = " (CALLBACK_API_TOKEN)" if error.status == 401 else ""
    return f"{url} answered {error}{hint}"


def _places(servers: Iterable[Server], service: str) -> Iterator[Tuple[object, str]]:
    """Where each server is found: itself, by the gateway, and the default one at its root, too."""
    for server in servers:
        if server.default:
            yield _place(service), server.name
        for url in (server.url, *_gateways(server, service)):
            yield _place(url), server.name


def _gateways(server: Server, service: str) -> Iterator[str]:
    """As the service calls it, and below the name by which the service is known here."""
    if server.gateway_url:
        yield server.gateway_url
        origin = urlsplit(service)
        yield f"{origin.scheme}://{origin.netloc}{urlsplit(server.gateway_url).path}"


def _is_gateway(url: str, servers: Iterable[Server], service: str) -> bool:
    """Whether it is one of the service that takes the service's tokens; `pass` refuses them."""
    for server in servers:
        if server.access in ("token", "open"):
            roots = [service] if server.default else []
            if _place(url) in map(_place, (*_gateways(server, service), *roots)):
                return True
    return False


def _place(url: str) -> object:
    """Equal for URLs that lead a TES client to the same server."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for base in _BASE_PATHS:
        if path.endswith(base):
            path = path[: -len(base)]
            break
    port: Optional[int] = None
    with suppress(ValueError):
        port = parts.port
    return parts.scheme, parts.hostname, port or _PORTS.get(parts.scheme), path.rstrip("/")
