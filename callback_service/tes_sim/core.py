"""The simulated server without I/O and without a clock."""

import random
import threading
from datetime import UTC, datetime, timedelta

from callback_service.domain.states import FINAL
from callback_service.tes_sim.callback_plan import Callback, CallbackPlan
from callback_service.tes_sim.conditions import Conditions
from callback_service.tes_sim.faults import HUNG_UP, Faults, instead, spoilt
from callback_service.tes_sim.journal import Asked, Journal
from callback_service.tes_sim.listing import Query
from callback_service.tes_sim.operations import Operation, operation_of
from callback_service.tes_sim.premade import premade
from callback_service.tes_sim.profiles import Profile
from callback_service.tes_sim.reply import Refused, Reply, json_reply
from callback_service.tes_sim.task import SimulatedTask
from callback_service.tes_sim.tes import Tes

_NEVER = datetime.max.replace(tzinfo=UTC)


class SimulatedServer:
    """What it answers depends on what it was asked before, on `now` and on `chance` only.

    It may be asked and steered from several threads.
    """

    def __init__(
        self,
        profile: Profile,
        chance: random.Random | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        self.profile = profile
        self.journal = Journal()
        self.restarts = 0
        # Dropped by a fault, or due while the server was down.
        self.lost_callbacks = 0
        self._conditions = conditions or Conditions()
        self._chance = chance or random.Random(0)  # noqa: S311  it plays, it protects nothing
        self._plan = CallbackPlan(profile)
        self._tes = Tes(profile, self._conditions, self._chance, self._plan)
        self._faults, self._faults_until = Faults(), _NEVER
        self._hits_left: int | None = None
        self._down_until: datetime | None = None
        self._lock = threading.RLock()
        self.tasks = self._tes.tasks

    @property
    def faults(self) -> Faults:
        return self._faults

    def answer(  # noqa: PLR0913  a request has as many parts
        self,
        method: str,
        path: str,
        query: Query = (),
        body: bytes | None = None,
        authorization: str | None = None,
        *,
        now: datetime,
    ) -> Reply:
        """`path` is everything behind the host, percent-encoded, without the query."""
        with self._lock:
            operation = operation_of(method, path, self.profile.prefixes)
            reply = self._answer(operation, query, body, authorization, now)
            self.journal.write(Asked(now, method, path, tuple(query), operation.name, reply.status))
            return reply

    def set_faults(self, faults: Faults, now: datetime) -> None:
        """From now on these, and no others."""
        with self._lock:
            self._faults, self._hits_left = faults, faults.times
            lasting = faults.lasting
            self._faults_until = _NEVER if lasting is None else now + timedelta(seconds=lasting)

    def make(self, finished: int, still_open: int, now: datetime) -> None:
        """Tasks that are there already: those that are open, for ever, spread among the others."""
        with self._lock:
            for given, script in premade(finished, still_open):
                self._tes.add(given, script, now)

    def all_tasks(self) -> list[SimulatedTask]:
        """Newest first."""
        with self._lock:
            return list(self.tasks.newest_first())

    def forget(self, task_id: str) -> None:
        with self._lock:
            if task := self.tasks.get(task_id):
                self._plan.forget(task)
                self.tasks.remove(task_id)

    def restart(self, now: datetime, down: float = 0.0, *, forget: bool = False) -> None:
        """Away for `down` seconds; callbacks under way and meanwhile are lost, or told again."""
        with self._lock:
            self.restarts += 1
            self._down_until = now + timedelta(seconds=down)
            if forget:
                self._plan.clear()
                self.tasks.clear()
            elif self.profile.replays:
                for task in self.tasks.newest_first():
                    if task.callback_url and task.state(now) not in FINAL:
                        self._plan.again(task, self._down_until)

    def callbacks_due(self, now: datetime) -> list[Callback]:
        """Those that were not asked for yet, in the order in which they were due."""
        with self._lock:
            due = []
            while callback := self._plan.pop(now):
                if self._is_lost(callback.at):
                    self.lost_callbacks += 1
                else:
                    due.append(callback)
            return due

    @property
    def next_callback_at(self) -> datetime | None:
        return self._plan.next_at

    def block(self, task_id: str, now: datetime) -> None:
        """The task waits for a listener of its callbacks."""
        with self._lock:
            if task := self.tasks.get(task_id):
                self.tasks.change(task.block(now))
                self._plan.follow(task.block(now))

    def go_on(self, task_id: str, now: datetime) -> None:
        with self._lock:
            if task := self.tasks.get(task_id):
                self._tes.change(task.go_on(now))

    def _answer(
        self,
        operation: Operation,
        query: Query,
        body: bytes | None,
        authorization: str | None,
        now: datetime,
    ) -> Reply:
        if self._down_until and now < self._down_until:
            return HUNG_UP
        faults = self._hitting(operation, now)
        if faults and faults.replaces:
            return instead(faults, self._refusal(Refused(faults.status, "a fault")))
        reply = self._right_answer(operation, query, body, authorization, now)
        return spoilt(reply, faults) if faults else reply

    def _right_answer(
        self,
        operation: Operation,
        query: Query,
        body: bytes | None,
        authorization: str | None,
        now: datetime,
    ) -> Reply:
        try:
            self._conditions.credentials.check(authorization)
            return json_reply(self._do(operation, query, body, now))
        except Refused as refusal:
            return self._refusal(refusal)

    def _do(self, operation: Operation, query: Query, body: bytes | None, now: datetime) -> object:
        match operation.name:
            case "ListTasks":
                return self._tes.list(query, self._faults, now)
            case "GetTask":
                return self._tes.get(operation.task_id, query, now)
            case "CreateTask":
                return self._tes.create(body, self._faults, now)
            case "CancelTask":
                return self._tes.cancel(operation.task_id, now)
            case "GetServiceInfo":
                return self._tes.info()
        raise Refused(404, "Not Found")

    def _refusal(self, refusal: Refused) -> Reply:
        return json_reply(self.profile.error(refusal.status, refusal.message), refusal.status)

    def _hitting(self, operation: Operation, now: datetime) -> Faults | None:
        """The faults, where they hit this request."""
        faults = self._faults
        if not faults.is_request_hit or now >= self._faults_until:
            return None
        if not faults.on.hits(operation.name) or self._hits_left == 0:
            return None
        if self._hits_left is not None:
            self._hits_left -= 1
        return faults

    def _is_lost(self, at: datetime) -> bool:
        # Drawn in any case: what chance brings later must not depend on this.
        dropped = self._chance.random() < self._faults.drop_callbacks
        return dropped or bool(self._down_until and at < self._down_until)
