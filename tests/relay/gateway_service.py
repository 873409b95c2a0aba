"""The gateway over fakes, in front of simulated TES servers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from callback_service.domain.addresses import AddressPolicy
from callback_service.domain.freshness import Patience
from callback_service.domain.server import DEFAULT_SERVER, Access, Server
from callback_service.domain.states import State
from callback_service.domain.tes import Manner, Tag, Variant
from callback_service.domain.tes_submission import Submission
from callback_service.relay.gateway.answer import Answer
from callback_service.relay.gateway.gateway import Ground, Terms, build_gateway
from callback_service.relay.gateway.look import Look
from callback_service.relay.gateway.named import TaskPath
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.observe import Observer, Sighting
from callback_service.relay.watch import Watch
from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.faults import Faults
from tests.fakes.store import FakeFingerprints, FakeOutcomes
from tests.fakes.tes_servers import FakeTesServers
from tests.relay.small_service import OWNER, SmallService, key
from tests.tes_sim.running import new_core

TAG = Tag("callback-service", "gateway")
RUN_TAG = "callback-service-run"
TASK = {"executors": [{"image": "alpine", "command": ["sleep", "10"]}], "tags": {"n": "1"}}
ANSWERED_WITHIN = timedelta(seconds=8)
LISTENER = "https://listener.example.org/secret"


@dataclass
class GatewayService(SmallService):
    core: SimulatedServer = field(default_factory=new_core)
    access: Access = Access.OPEN
    own_url: str | None = None
    fingerprints: FakeFingerprints = field(default_factory=FakeFingerprints)
    outcomes: FakeOutcomes = field(default_factory=FakeOutcomes)
    near_outcomes: FakeOutcomes = field(default_factory=FakeOutcomes)
    aside: Callable[[Callable[[], None]], None] = lambda work: work()

    def __post_init__(self):
        self.waiters = Watch(self.tasks, self.clock)
        super().__post_init__()
        self.cores = {DEFAULT_SERVER: self.core}
        self.tes = FakeTesServers(self.clock, self.cores)
        url = "https://tes.example.org"
        self.server = Server(DEFAULT_SERVER, url, self.clock.now(), access=self.access)
        self.servers.add(self.server)
        self.gateway = self.process()

    def process(self):
        """The gateway as another process has it."""
        ground = Ground(
            tasks=self.tasks,
            runs=self.runs,
            servers=self.servers,
            fingerprints=self.fingerprints,
            outcomes=self.outcomes,
            near_outcomes=self.near_outcomes,
            tes=self.tes,
            clock=self.clock,
            policy=AddressPolicy(),
            recorder=self.recorder,
            registrar=self.registrar,
            watch=self.waiters,
            aside=lambda work: self.aside(work),  # noqa: PLW0108  tests set another one
            breathe=lambda: None,
            pause=self.clock.advance,
        )
        terms = Terms(
            TAG, RUN_TAG, timedelta(seconds=60), Patience(), ANSWERED_WITHIN, self.own_url
        )
        return build_gateway(ground, terms)

    @property
    def stores(self):
        return *super().stores, self.fingerprints, self.outcomes

    def set_down(self, is_down: bool = True) -> None:
        for store in self.stores:
            store.is_down = is_down

    def visit(
        self,
        variant: Variant = Variant.GA4GH,
        owner: str = OWNER,
        authorization: str | None = None,
        gateway=None,
    ) -> Visit:
        gateway = gateway or self.gateway
        visit = Visit(gateway.book.find(DEFAULT_SERVER), variant, owner)
        if authorization is None:
            return visit
        name, is_lasting = gateway.fingerprinter.owner_of(authorization, DEFAULT_SERVER)
        return replace(visit, owner=name, authorization=authorization, is_lasting=is_lasting)

    def submit(
        self,
        visit: Visit | None = None,
        run_id: str | None = None,
        gateway=None,
        body: str | None = None,
        **fields: Any,
    ) -> Answer:
        text = body or json.dumps({**TASK, **fields})
        submitter = (gateway or self.gateway).submitter
        return submitter.submit(visit or self.visit(), Submission.read(text.encode()), run_id)

    def submitted(self, *args: Any, **fields: Any) -> str:
        """The id of a task that was submitted without trouble."""
        answer = self.submit(*args, **fields)
        assert answer.status == 200
        return json.loads(answer.body)["id"]

    def look(
        self,
        task_id: str,
        view: str = "MINIMAL",
        visit: Visit | None = None,
        wait: int | None = None,
        gateway=None,
    ) -> Answer:
        visit = visit or self.visit()
        manner = Manner(view == "MINIMAL", visit.variant, TAG)
        look = Look(visit, TaskPath.read(task_id), f"view={view}", manner, wait)
        return (gateway or self.gateway).looker.look(look)

    def state(self, task_id: str, *args: Any, **more: Any) -> str:
        answer = json.loads(self.look(task_id, *args, **more).body)
        return answer["state"]

    def page(self, view: str = "MINIMAL", query: str = "", visit: Visit | None = None) -> Any:
        visit = visit or self.visit()
        manner = Manner(view == "MINIMAL", visit.variant, TAG)
        answer = self.gateway.passing.page(visit, f"view={view}{query}", manner)
        return json.loads(answer.body)

    def poll(self, *task_ids: str) -> None:
        """What a worker that asked the server writes down."""
        now = self.clock.now()
        truth = {task.id: task.state(now) for task in self.core.tasks()}
        known = self.tasks.load(map(key, task_ids))
        sightings = [
            Sighting(one, truth[one.task_id], task.seq, now) for one, task in known.items()
        ]
        Observer(self.recorder, self.clock).observe(sightings)

    def is_waited(self) -> bool:
        return self.servers.find(DEFAULT_SERVER).polling.is_waited(self.clock.now())

    def is_wanted(self) -> bool:
        return self.servers.find(DEFAULT_SERVER).polling.is_wanted(self.clock.now())

    def fail(self, **faults: Any) -> None:
        self.core.set_faults(Faults.read(faults), self.clock.now())

    def truth(self, task_id: str) -> State:
        (task,) = [one for one in self.core.tasks() if one.id == task_id]
        return task.state(self.clock.now())

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What the server has been handed."""
        return [task.body for task in self.core.tasks()]

    @property
    def asked(self) -> list[str]:
        """The requests that the server got."""
        return [f"{put.question.method} {put.question.path}" for put in self.tes.put]
