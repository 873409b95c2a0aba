"""The service's interface as methods, one for each operation of its contract."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from callback_client.address import service_token, service_url
from callback_client.connection import Connection, segment
from callback_client.updates import Page, Updates
from callback_client.values import Capabilities, Delivery, Run, Server, Task, TaskState, Update
from callback_client.watching import Watching

# As many as the service takes at once.
TASKS_AT_ONCE = 1000
# Fewer round trips after an absence, and not too much to be told again by an older cursor.
UPDATES_AT_ONCE = 500

# A task's id, or the name of its server and its id.
TaskName = Union[str, Tuple[str, str]]
# A URL to send updates to, or a sink as the contract writes it.
SinkLike = Union[str, Mapping[str, Any]]


class CallbackClient:
    """Speaks to one TES callback service. Threads can share it.

    `url` and `token` default to the environment: `CALLBACK_SERVICE_URL` (without
    it http://127.0.0.1:8080) and `CALLBACK_API_TOKEN` (without it no token is shown).
    `timeout` is how many seconds connecting and each answer may take; where a
    method waits for news, the answer may take so much longer.

    Every method raises `CallbackServiceError` where the service refuses, with the
    `status` and the problem that it answered, and `ServiceUnreachable`, which is one
    too, where no answer comes. Nothing is tried twice, except by `watch` and `updates`.
    """

    def __init__(
        self, url: Optional[str] = None, token: Optional[str] = None, timeout: float = 10.0
    ) -> None:
        self._connection = Connection(service_url(url), service_token(token), timeout)

    @property
    def url(self) -> str:
        """The base URL of the service, without a slash at its end."""
        return self._connection.url

    @property
    def token(self) -> str:
        """What it shows to the service; empty where it shows nothing."""
        return self._connection.token

    def close(self) -> None:
        """Give up the connections that are kept open."""
        self._connection.close()

    def __enter__(self) -> CallbackClient:  # noqa: PYI034 - Python 3.8 has no Self
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---- runs ----

    def register(  # noqa: PLR0913 - one argument for each property in the contract
        self,
        name: str = "",
        *,
        tags: Optional[Mapping[str, str]] = None,
        server: Optional[str] = None,
        sink: Optional[SinkLike] = None,
        tasks: Iterable[TaskName] = (),
        expires_in: Optional[int] = None,
        retry_schedule: Optional[Sequence[float]] = None,
    ) -> Run:
        """Register a run: who wants to be told of what.

        `sink` is a URL to which updates are posted, or a sink as the contract
        writes it; without one they are fetched by `updates`. `tasks` (at most
        1,000) are followed from the start; each is an id or a pair of server and
        id. `server` is the TES server of tasks that name none. The run is
        forgotten after `expires_in` seconds. `retry_schedule` says how many seconds to
        wait before each attempt to deliver.

        The run that is returned is the only one to have `callback_url`, which is
        what tasks are given at the TES server, and `secret`, with which `verify`
        checks what the sink receives.
        """
        body = _given(
            name=name or None,
            tags=None if tags is None else dict(tags),
            server=server,
            sink=_sink(sink),
            tasks=[_reference(task) for task in tasks] or None,
            expires_in=expires_in,
            retry_schedule=_list(retry_schedule),
        )
        return self._connection.ask(Run.from_json, "POST", "/v1/runs", body=body)

    def run(self, run_id: str) -> Run:
        """A run and how it stands: its tasks by state, and what it is still owed."""
        return self._connection.ask(Run.from_json, "GET", _run(run_id))

    def runs(
        self,
        *,
        name_prefix: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        status: Optional[str] = None,
    ) -> Iterator[Run]:
        """Your runs, newest first: those that all filters let through.

        An empty value in `tags` accepts every value of the tag.
        """
        query: List[Tuple[str, Any]] = [("name_prefix", name_prefix), ("status", status)]
        for key, value in (tags or {}).items():
            query += [("tag_key", key), ("tag_value", value)]
        return self._connection.pages(Run.from_json, "runs", "/v1/runs", query)

    def change(  # noqa: PLR0913 - one argument for each property in the contract
        self,
        run_id: str,
        *,
        name: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        sink: Optional[SinkLike] = None,
        expires_in: Optional[int] = None,
        retry_schedule: Optional[Sequence[float]] = None,
    ) -> Run:
        """Change what is given and leave the rest. `expires_in` counts from now."""
        body = _given(
            name=name,
            tags=None if tags is None else dict(tags),
            sink=_sink(sink),
            expires_in=expires_in,
            retry_schedule=_list(retry_schedule),
        )
        return self._connection.ask(Run.from_json, "PATCH", _run(run_id), body=body)

    def delete(self, run_id: str) -> None:
        """Tell the run nothing more. Its tasks at the TES server go on."""
        self._connection.ask(_nothing, "DELETE", _run(run_id))

    def pause(self, run_id: str) -> Run:
        """Send nothing to the run's sink until it is resumed; callbacks are taken as before."""
        return self._connection.ask(Run.from_json, "POST", _run(run_id) + ":pause")

    def resume(self, run_id: str) -> Run:
        """End a pause, or the waiting for the next attempt: what it is owed is sent at once."""
        return self._connection.ask(Run.from_json, "POST", _run(run_id) + ":resume")

    def redeliver(
        self,
        run_id: str,
        *,
        since: Optional[datetime] = None,
        tasks: Optional[Iterable[str]] = None,
    ) -> Run:
        """Send the run once more what it was sent: all, or since a time, or of some task ids.

        `since` must be aware; `ValueError` otherwise.
        """
        if since is not None and since.tzinfo is None:
            raise ValueError("`since` needs a time zone")
        body = _given(since=since and since.isoformat(), tasks=_list(tasks))
        return self._connection.ask(Run.from_json, "POST", _run(run_id) + ":redeliver", body=body)

    def rotate(self, run_id: str, *, overlap: Optional[int] = None) -> Capabilities:
        """Replace a run's callback URL and secret.

        The old ones stay good for `overlap` seconds (a day, if it is not said); after a
        leak, say 0.
        """
        body = None if overlap is None else {"overlap": overlap}
        return self._connection.ask(
            Capabilities.from_json, "POST", _run(run_id) + ":rotate", body=body
        )

    def deliveries(self, run_id: str) -> Iterator[Delivery]:
        """What was tried to tell the run, newest first."""
        return self._connection.pages(
            Delivery.from_json, "deliveries", _run(run_id) + "/deliveries"
        )

    # ---- tasks ----

    def add_tasks(self, run_id: str, tasks: Iterable[TaskName]) -> List[TaskState]:
        """Let the run follow tasks that do not call back on its URL; returns how they stand.

        Each is an id or a pair of server and id. What happened to them before is told
        like everything else. More than 1,000 take several requests; naming a task twice
        changes nothing, so repeat the call if it fails.
        """
        return self._states(_run(run_id) + "/tasks", tasks)

    def tasks(self, run_id: str) -> Iterator[Task]:
        """The tasks that the run follows, in the order of server and id."""
        return self._connection.pages(Task.from_json, "tasks", _run(run_id) + "/tasks")

    def task(
        self,
        server: str,
        task_id: str,
        known: Optional[str] = None,
        wait: float = 0,
        *,
        often: bool = False,
    ) -> Task:
        """A task and its history; `server` is `default` where none was registered.

        While its state is `known`, the answer is held back for up to `wait` seconds
        (at most 60): it comes as soon as there is another state, or says that there is none.
        Meanwhile a server that does not call back is asked every 1.5 seconds, or `often`: up to
        three times a second.
        """
        path = f"/v1/tasks/{segment(server)}/{segment(task_id)}"
        query = [("known", known), ("wait", wait or None), ("often", "true" if often else None)]
        return self._connection.ask(Task.from_json, "GET", path, query=query, wait=wait)

    def states(self, tasks: Iterable[TaskName]) -> List[TaskState]:
        """How tasks stand, in the order in which they are named; unknown ones are `UNKNOWN`.

        Each is an id or a pair of server and id. More than 1,000 take several requests.
        """
        return self._states("/v1/tasks:states", tasks)

    # ---- updates ----

    def updates_after(self, run_id: str, after: Optional[str], wait: float) -> Page:
        """The next updates of a run after a cursor, waiting up to `wait` seconds for the first."""
        return self._connection.ask(
            _page,
            "GET",
            _run(run_id) + "/updates",
            query=[("after", after), ("wait", wait or None), ("page_size", UPDATES_AT_ONCE)],
            wait=wait,
        )

    def updates(
        self,
        run_id: str,
        *,
        cursor: Optional[str] = None,
        wait: float = 30,
        follow: bool = True,
        stop: Optional[Callable[[], bool]] = None,
    ) -> Updates:
        """The run's updates, waiting for more: each once, those of a task in their order.

        It begins with the oldest update that is kept, or after `cursor`, which is the
        `cursor` of an iterator that came before. It survives that the service is away, and asks
        again until it is back. It ends when `stop()` is true, which it looks at between
        requests, each of which waits for up to `wait` seconds (at most 60); with
        `follow=False`, when there are no more updates.

        Raises, while iterating, `CallbackServiceError` where the service refuses for good;
        with `follow=False` also `ServiceUnreachable` and whatever else the service answers.
        """
        patience = wait if follow else 0
        return Updates(
            lambda after: self.updates_after(run_id, after, patience),
            cursor=cursor,
            follow=follow,
            stop=stop,
        )

    def watch(
        self,
        run: Union[str, Run],
        *,
        cursor: Optional[str] = None,
        until_final: bool = True,
        wait: float = 30,
        stop: Optional[Callable[[], bool]] = None,
    ) -> Updates:
        """The updates of a run (or of a run's id) until it is over: each once, as by `updates`.

        It is over when the run has tasks and all of them have ended, and everything was told.
        For a workflow that submits more when some have ended, say `until_final=False`: then it is
        over when the run was deleted or has expired, or `stop()` is true.

        Raises what `updates` raises; with `until_final`, also `CallbackServiceError` of
        status 404 where the run is deleted or expires before its tasks have ended.
        """
        run_id = run if isinstance(run, str) else run.id
        watching = Watching(
            lambda after, patience: self.updates_after(run_id, after, patience),
            lambda: self.run(run_id),
            wait=wait,
            until_final=until_final,
        )
        return Updates(watching, cursor=cursor, stop=stop)

    # ---- servers ----

    def servers(self) -> List[Server]:
        """All TES servers that are registered, in the order of their names."""
        return self._connection.ask(_read_servers, "GET", "/v1/servers")

    def server(self, name: str) -> Server:
        """A TES server, whether it was found to call back, and how asking it goes."""
        return self._connection.ask(Server.from_json, "GET", _server(name))

    def register_server(  # noqa: PLR0913 - one argument for each property in the contract
        self,
        name: str,
        url: str,
        *,
        calls_back: Optional[str] = None,
        default: Optional[bool] = None,
        access: Optional[str] = None,
        credentials: Optional[str] = None,
    ) -> Server:
        """Give the TES server at `url` a name, and put the gateway in front of it.

        `calls_back` is `yes`, `no` or `unknown`: then the service finds out. `access` says who
        may use it through the gateway: whoever shows a `token` of the service, whom the
        server itself lets in (`pass`), or everybody (`open`). `credentials` is the name of
        those, in the service's settings, with which the service reaches it.
        """
        body = _given(
            name=name,
            url=url,
            calls_back=calls_back,
            default=default,
            access=access,
            credentials=credentials,
        )
        return self._connection.ask(Server.from_json, "POST", "/v1/servers", body=body)

    def change_server(  # noqa: PLR0913 - one argument for each property in the contract
        self,
        name: str,
        *,
        url: Optional[str] = None,
        calls_back: Optional[str] = None,
        default: Optional[bool] = None,
        access: Optional[str] = None,
        credentials: Optional[str] = None,
    ) -> Server:
        """Change what is given and leave the rest; empty `credentials` are none."""
        body = _given(url=url, calls_back=calls_back, default=default, access=access)
        if credentials is not None:
            body["credentials"] = credentials or None
        return self._connection.ask(Server.from_json, "PATCH", _server(name), body=body)

    def delete_server(self, name: str) -> None:
        """Ask the TES server no more. Its callbacks are taken as before."""
        self._connection.ask(_nothing, "DELETE", _server(name))

    def _states(self, path: str, tasks: Iterable[TaskName]) -> List[TaskState]:
        left = iter(tasks)
        found: List[TaskState] = []
        while True:
            some = [_reference(task) for task in islice(left, TASKS_AT_ONCE)]
            if not some:
                return found
            found += self._connection.ask(_read_states, "POST", path, body={"tasks": some})


def _run(run_id: str) -> str:
    return f"/v1/runs/{segment(run_id)}"


def _server(name: str) -> str:
    return f"/v1/servers/{segment(name)}"


def _given(**properties: Any) -> Dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}


def _list(items: Optional[Iterable[Any]]) -> Optional[List[Any]]:
    return None if items is None else list(items)


def _sink(sink: Optional[SinkLike]) -> Optional[Dict[str, Any]]:
    if sink is None:
        return None
    return {"type": "http", "url": sink} if isinstance(sink, str) else dict(sink)


def _reference(task: TaskName) -> Dict[str, str]:
    if isinstance(task, str):
        return {"id": task}
    server, task_id = task
    return {"server": server, "id": task_id}


def _nothing(_answer: Any) -> None:
    return None


def _read_states(answer: Mapping[str, Any]) -> List[TaskState]:
    return [TaskState.from_json(item) for item in answer["states"]]


def _read_servers(answer: Mapping[str, Any]) -> List[Server]:
    return [Server.from_json(item) for item in answer["servers"]]


def _page(answer: Mapping[str, Any]) -> Page:
    return Page(tuple(Update.from_json(item) for item in answer["updates"]), answer["cursor"])
