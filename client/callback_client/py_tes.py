"""py-tes' client, told of its tasks by the service instead of asking their server.

It speaks to the service's own interface, and not to the gateway with `Prefer: wait`, because that
one way serves everybody: TES servers that are asked directly, which is how it survives that the
service is away, and those before which the gateway stands. And nothing that is meant for the
service (a run's name, a token) goes into requests to a TES server: a task can be followed or not,
but never be refused for it. The price is one request more for each task, to the service.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Dict, Optional

import requests

# Not `import tes`: the launcher replaces its `HTTPClient` while that is being imported.
from tes.client import HTTPClient as PyTesClient
from tes.models import Task
from tes.utils import TimeoutError as TookTooLong

from callback_client.client import CallbackClient
from callback_client.cwl_wes import WesRun
from callback_client.following import Following
from callback_client.news import News
from callback_client.unfinished import Unfinished
from callback_client.values import FINAL_STATES

log = logging.getLogger("callback_client")

# Where py-tes' `wait` goes on.
_WAITED_FOR = ("QUEUED", "INITIALIZING", "RUNNING")
# Nobody is kept waiting in one call for as long as py-tes waits for an answer.
_MARGIN = 2
_LONGEST_WAIT = 30
# But a thread beside the main one, which asks for the same task again, was made to wait for that
# task. Programs such as cwl-tes sleep between two looks, and what ends then is noticed late: the
# longer a look, the fewer of them.
_WAIT_OF_THREADS = 25
# A service that hangs must not hold up a submission for long.
_TIMEOUT = 5
_LONGEST_NAME = 256
_IS_OLD = not hasattr(PyTesClient, "__attrs_post_init__")
# States of which py-tes 0.4 makes no task; the gateway has it read the same.
_FOR_OLD = {"PREEMPTED": "SYSTEM_ERROR", "CANCELING": "RUNNING", "PAUSED": "RUNNING"}


@dataclass(frozen=True)
class Settings:
    """What an `HTTPClient` is not told when it is made; None: what the environment says."""

    run: Optional[str] = None
    service: Optional[str] = None
    service_token: Optional[str] = None
    server: Optional[str] = None
    hide_preempted: bool = False
    # Of cwl-WES, which started the program: its database's name at the service, and the run.
    wes_target: Optional[str] = None
    wes_run_id: Optional[str] = None


class HTTPClient(PyTesClient):  # type: ignore[misc]  # py-tes has no types
    """`tes.HTTPClient`, whose `get_task(id, "MINIMAL")` and `wait(id)` wait at the service.

    `run` is what the run is called that its tasks are followed in (`CALLBACK_RUN`, or
    the program's name); all clients of a process with the same settings share it. `service` and
    `service_token` are those of `CallbackClient`. `server` is the TES server's name at the
    service (`CALLBACK_SERVER`), for where the service knows it by another URL. With
    `hide_preempted`, tasks read `SYSTEM_ERROR` that are `PREEMPTED`.

    Everything else is py-tes, and so is all of it while the service is away.
    """

    token: Optional[str]
    settings: ClassVar[Settings] = Settings()
    unfinished: ClassVar[Optional[Unfinished]] = None

    def __init__(  # noqa: PLR0913 - py-tes' own, which others give by place, and ours
        self,
        url: str,
        timeout: int = 10,
        user: Optional[str] = None,
        password: Optional[str] = None,
        token: Optional[str] = None,
        *,
        run: Optional[str] = None,
        service: Optional[str] = None,
        service_token: Optional[str] = None,
        server: Optional[str] = None,
        hide_preempted: Optional[bool] = None,
    ) -> None:
        super().__init__(url, timeout, user, password, token)
        general = self.settings
        self._own = replace(
            general,
            run=run or general.run,
            service=service or general.service,
            service_token=service_token or general.service_token,
            server=server or general.server,
            hide_preempted=general.hide_preempted if hide_preempted is None else hide_preempted,
        )

    @property
    def _following(self) -> Optional[Following]:
        return _following(self._own)

    def _request_params(self, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        if self._following and not (self.token or self.user):
            # Its tasks at the gateway are then those of the run, and not anybody's.
            self.token = self._following.token_for(self.url)
        params: Dict[str, Any] = super()._request_params(*args, **kwargs)
        return params

    def create_task(self, task: Task) -> str:
        task_id: str = super().create_task(task)
        if self.unfinished:
            self.unfinished.add(self, task_id)
        if self._following:
            self._following.follow(self.url, task_id)
        return task_id

    def get_task(self, task_id: str, view: str = "BASIC") -> Task:
        if view != "MINIMAL":
            return self._shown(super().get_task(task_id, view))
        state = self._state(task_id, self._patience)
        if state is not None:
            return self._task(task_id, state)
        task = self._old_look(task_id) if _IS_OLD else super().get_task(task_id, view)
        if self._following and task.state:
            self._following.note(self.url, task_id, task.state)
            if task.state not in FINAL_STATES:
                # Also what another program has submitted: somebody waits for it here.
                self._following.follow(self.url, task_id)
        return self._shown(task)

    def _old_look(self, task_id: str) -> Task:
        """What py-tes 0.4 asks; it makes no task itself of the nulls that Funnel answers."""
        how = self._request_params(params={"view": "MINIMAL"})
        answer = requests.get(f"{self.url}/v1/tasks/{task_id}", **how)  # noqa: S113 - it is in there
        answer.raise_for_status()
        found = answer.json()
        return self._task(found["id"], found["state"])

    def list_tasks(self, *args: Any, **kwargs: Any) -> Any:
        listed = super().list_tasks(*args, **kwargs)
        for task in listed.tasks or ():
            self._shown(task)
        return listed

    def wait(self, task_id: str, timeout: Optional[float] = None) -> Task:
        ends_at = time.monotonic() + timeout if timeout else None
        while True:
            left = None if ends_at is None else max(ends_at - time.monotonic(), 0.001)
            # By itself it looks twice a second.
            state = self._state(task_id, min(left or self._patience, self._patience), often=True)
            if state is None:
                # In its own way, which comes back to `get_task` twice a second.
                return super().wait(task_id, left)
            task = self._task(task_id, state)
            if task.state not in _WAITED_FOR:
                return task
            if ends_at is not None and time.monotonic() >= ends_at:
                raise TookTooLong(f"last_response: {task.as_dict()}")

    @property
    def news(self) -> Optional[News]:
        """Which tasks have ended, of all that are followed in this client's run."""
        return self._following.news if self._following else None

    @property
    def _patience(self) -> float:
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main and not _has_event_loop():
            return float(_WAIT_OF_THREADS)
        return float(min(max(self.timeout - _MARGIN, 0), _LONGEST_WAIT))

    def _state(self, task_id: str, wait: float, *, often: bool = False) -> Optional[str]:
        following = self._following
        return following.state(self.url, task_id, wait, often=often) if following else None

    def _task(self, task_id: str, state: str) -> Task:
        try:
            task = Task(id=task_id, state=state)
        except ValueError:
            task = Task(id=task_id, state=_FOR_OLD.get(state, "UNKNOWN"))
        return self._shown(task)

    def _shown(self, task: Task) -> Task:
        if self.unfinished and task.state in FINAL_STATES:
            self.unfinished.drop(self, task.id)
        if self._own.hide_preempted and task.state == "PREEMPTED":
            task.state = "SYSTEM_ERROR"
        return task


def _has_event_loop() -> bool:
    """Whether this thread has others to serve meanwhile."""
    asyncio = sys.modules.get("asyncio")
    # Only the one with the underscore raises nothing where there is none.
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001


_made: Dict[Settings, Optional[Following]] = {}
_making = threading.Lock()


def _following(settings: Settings) -> Optional[Following]:
    """The same for all clients in this process that have the same settings."""
    if settings not in _made:
        with _making:
            if settings not in _made:
                _made[settings] = _new_following(settings)
    return _made[settings]


def _new_following(settings: Settings) -> Optional[Following]:
    try:
        client = CallbackClient(settings.service, settings.service_token, timeout=_TIMEOUT)
    except ValueError as error:
        log.warning("%s; only the TES server is asked", error)
        return None
    name = settings.run or os.environ.get("CALLBACK_RUN") or settings.wes_run_id
    name = (name or Path(sys.argv[0]).name or "py-tes")[:_LONGEST_NAME]
    server = settings.server or os.environ.get("CALLBACK_SERVER")
    register = None
    if settings.wes_target and settings.wes_run_id:
        register = WesRun(client, settings.wes_target, settings.wes_run_id, name).register
    return Following(client, name, server, register=register)


def _start_anew() -> None:
    """In the child of a fork: two processes must not share connections, nor a lock that is held."""
    global _making  # noqa: PLW0603 - a lock can be taken from a thread that is gone only like this
    _making = threading.Lock()
    _made.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
