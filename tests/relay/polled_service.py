"""The relay over fakes, with a simulated TES server, and workers that ask it."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from callback_service.domain.freshness import Patience, Unsettled
from callback_service.domain.polling import Polling
from callback_service.domain.server import DEFAULT_SERVER, Server
from callback_service.domain.states import State
from callback_service.domain.tes import Tag
from callback_service.relay.observe import Observer
from callback_service.relay.ports import Question, Reply
from callback_service.relay.reconcile.means import Means, Terms
from callback_service.relay.reconcile.reconciler import Reconciler
from callback_service.relay.record import Step
from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.faults import Faults
from tests.fakes.fuse import Fuse
from tests.fakes.tes_servers import FakeTesServers
from tests.relay.small_service import SmallService, key
from tests.tes_sim.running import new_core

TAG = Tag("callback-service", "gateway")
LOOKS = 0.2
# A look a second, so that times are easily reckoned.
PATIENCE = Patience(fast=timedelta(seconds=1))
EXECUTORS = [{"image": "alpine", "command": ["true"]}]
TES = "/ga4gh/tes/v1"


def inline(work: Callable[[], None]) -> bool:
    work()
    return True


class Watched:
    """Servers, and when they were asked, also in vain."""

    def __init__(self, servers, clock):
        self._servers = servers
        self._clock = clock
        self.asked_at = []

    def ask(self, server: Server, question: Question) -> Reply:
        self.asked_at.append(self._clock.now())
        return self._servers.ask(server, question)


@dataclass
class PolledService(SmallService):
    core: SimulatedServer = field(default_factory=new_core)
    terms: Terms = field(default_factory=lambda: Terms(TAG, patience=PATIENCE))

    def __post_init__(self):
        super().__post_init__()
        self.tes = FakeTesServers(self.clock, {DEFAULT_SERVER: self.core})
        self.watched = Watched(self.tes, self.clock)
        self.observer = Observer(self.recorder, self.clock)
        self.servers.add(Server(DEFAULT_SERVER, "https://tes.example.org", self.clock.now()))
        self.reconciler = self.worker()
        self.numbers = itertools.count(1)

    def worker(self, start=inline, fuse: Fuse | None = None, **ports: Any) -> Reconciler:
        protect = fuse.protect if fuse else lambda port: port
        means = {
            "tes_servers": self.watched,
            "servers": self.servers,
            "tasks": self.tasks,
            "observer": self.observer,
            **ports,
        }
        protected = {name: protect(port) for name, port in means.items()}
        # In the middle of the spread.
        chance = lambda: 0.5  # noqa: E731
        return Reconciler(
            Means(**protected, clock=self.clock, chance=chance, terms=self.terms), start
        )

    @property
    def server(self) -> Server:
        return self.servers.find(DEFAULT_SERVER)

    @property
    def polling(self) -> Polling:
        return self.server.polling

    def submit(
        self, script: str = "RUNNING", *, tagged: bool = True, url: str | None = None
    ) -> str:
        """A task at the server, which goes its way by the script; nobody follows it yet."""
        tags = {"tes-sim": script, **({TAG.key: TAG.value} if tagged else {})}
        task = {"executors": EXECUTORS, "tags": tags, **({"callback_url": url} if url else {})}
        body = json.dumps(task).encode()
        reply = self.core.answer("POST", f"{TES}/tasks", (), body, now=self.clock.now())
        assert reply.status == 200, reply.body
        return reply.json()["id"]

    def follow(self, *task_ids: str, tagged: bool = True, **wanted: Any) -> tuple[str, Any]:
        run_id, keys = self.register(*task_ids, **wanted)
        if tagged:
            self.recorder.record([Step(key(one), lambda task: task.tag()) for one in task_ids])
        return run_id, keys

    def submit_and_follow(self, number: int, script: str = "RUNNING", **how: Any) -> list[str]:
        task_ids = [self.submit(script, **how) for _ in range(number)]
        self.follow(*task_ids, **how)
        return task_ids

    def truth(self) -> dict[str, State]:
        now = self.clock.now()
        return {task.id: task.state(now) for task in self.core.tasks()}

    def believed(self, *task_ids: str) -> dict[str, State]:
        return {one: self.task(one).state for one in task_ids}

    def unsettled(self) -> list[Unsettled]:
        return self.tasks.unsettled(DEFAULT_SERVER, 10**6)

    def fail(self, **faults: Any) -> None:
        self.core.set_faults(Faults(**faults), self.clock.now())

    def pass_time(self, seconds: float, *workers: Reconciler, every: float = LOOKS) -> None:
        """Workers look a few times a second."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            self.clock.advance(every)
            self.look(*workers)

    def look(self, *workers: Reconciler) -> None:
        for worker in workers or (self.reconciler,):
            worker.look()

    @property
    def requests(self):
        """What the server was asked, but for submissions."""
        return [one for one in self.core.journal.requests if one.method == "GET"]

    def asked(self) -> list[str]:
        """The requests of tasks since the last time, in short."""
        asked = [_short(one) for one in self.requests]
        self.core.journal.clear()
        return asked


def _short(asked) -> str:
    query = dict(asked.query)
    if asked.operation == "ListTasks":
        words = ["list"]
        words += ["tag"] if query.get("tag_value") == TAG.value else []
        words += ["probe"] if query.get("tag_value", "").startswith("nobody") else []
        words += [query["state"]] if "state" in query else []
        words += ["next"] if "page_token" in query else []
        return " ".join(words)
    return {"GetTask": "get", "GetServiceInfo": "info"}[asked.operation]
