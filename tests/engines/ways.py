"""The ways in which an engine is run: as it is, through the gateway, and by the launcher.

Behind each is a simulated server that executes its tasks; before each, proxies that see what the
engine asks and what it is told.
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from callback_service.domain.states import FINAL
from tests.engines.counting import Counting
from tests.tes_sim.running import RunningServer, running_server
from tests.venvs import clean_environ

LAUNCHER = [sys.executable, "-m", "callback_client.exec"]
# How long it is before a command runs; how long that takes is the command's affair.
SCRIPT = "QUEUED 0.1, INITIALIZING 0.1, RUNNING, COMPLETE"

_numbers = itertools.count(1)


class Way(StrEnum):
    POLLING = "polling"
    GATEWAY = "gateway"
    LAUNCHER = "launcher"


@dataclass(frozen=True)
class Outcome:
    """`at_server` are all requests that the server got; `of_engine` those of the engine, to it or
    to whatever stands in its place.

    `noticed_after` are the seconds from the end of each task until the engine was told of it.
    """

    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    at_server: dict[str, int]
    of_engine: dict[str, int]
    noticed_after: list[float] = field(default_factory=list)

    @property
    def requests(self):
        return sum(self.at_server.values())


@dataclass(frozen=True)
class Ground:
    """`url` is what the engine takes for its TES server."""

    way: Way
    url: str
    server: RunningServer
    fronts: tuple[Counting, ...]
    launcher: tuple[str, ...]
    environ: dict[str, str]
    folder: Path

    @contextmanager
    def started(self, *command, launcher_options=(), cwd=None, **environ):
        """The engine as a process that does not outlive the `with`."""
        line = [*command]
        if self.launcher:
            line = [*self.launcher, *launcher_options, "--", *line]
        with subprocess.Popen(
            [str(word) for word in line],
            cwd=cwd or self.folder,
            env={**clean_environ(), "NO_PROXY": "*", **self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                # Engines have processes of their own.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, *command, within=120, **how):
        began = time.monotonic()
        with self.started(*command, **how) as process:
            stdout, stderr = process.communicate(timeout=within)
        seconds = time.monotonic() - began
        return self.outcome(process.returncode, stdout, stderr, seconds)

    def outcome(self, code, stdout="", stderr="", seconds=0.0):
        told = [
            (min(times) - ended).total_seconds()
            for task_id, ended in self.ends().items()
            if (times := [front.ends[task_id] for front in self.fronts if task_id in front.ends])
        ]
        first = self.fronts[0]
        at_server = dict(self.server.counts)
        return Outcome(code, stdout, stderr, seconds, at_server, dict(first.counts), told)

    def ends(self):
        """When the tasks really ended."""
        histories = [(task.id, task.moves[-1]) for task in self.server.core.tasks()]
        return {task_id: last.at for task_id, last in histories if last.state in FINAL}


@contextmanager
def registering(system):
    """Put the gateway before a server: `register(server, access="open")` is the URL for clients."""
    with ExitStack() as stack:

        def register(server, **how):
            name = f"sim-{next(_numbers)}"
            shown = system.client.post("/v1/servers", {"name": name, "url": server.url, **how})
            stack.callback(system.client.ask, "DELETE", f"/v1/servers/{name}")
            return shown["gateway_url"]

        yield register


@contextmanager
def ground(
    system,
    register,
    way,
    folder,
    *,
    calls_back=False,
    profile="funnel",
    script=SCRIPT,
    executes=True,
):
    """What an engine needs to be run in one way; a server that calls back is asked by nobody.

    The launcher takes the server's own URL, or the gateway's if the server calls back: with its
    own, nobody could hand it a callback URL.
    """
    with ExitStack() as stack:
        seed = random.randrange(2**32)
        server = stack.enter_context(
            running_server(
                profile,
                execute=folder / "tasks" if executes else None,
                script=script,
                callbacks=calls_back,
                seed=seed,
            )
        )

        def before(url):
            return stack.enter_context(Counting(url).running())

        if way is Way.POLLING:
            front = before(server.url)
            yield Ground(way, front.url, server, (front,), (), {}, folder)
            return
        gateway = register(server, access="open", calls_back="yes" if calls_back else "no")
        if way is Way.GATEWAY:
            front = before(gateway)
            yield Ground(way, front.url, server, (front,), (), {}, folder)
            return
        service = before(system.api.url)
        launcher = (*LAUNCHER, "--service", service.url)
        environ = {"CALLBACK_API_TOKEN": system.client.token}
        if calls_back:
            url = service.url + urlsplit(gateway).path
            yield Ground(way, url, server, (service,), launcher, environ, folder)
            return
        tes, name = before(server.url), gateway.rpartition("/")[2]
        launcher = (*launcher, "--server", name)
        yield Ground(way, tes.url, server, (tes, service), launcher, environ, folder)
