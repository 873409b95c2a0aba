"""The simulated server without I/O and without a clock."""

import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from callback_service.domain.states import FINAL
from callback_service.tes_sim.callback_plan import Callback
from callback_service.tes_sim.conditions import Conditions
from callback_service.tes_sim.faults import Faults
from callback_service.tes_sim.journal import Asked, Journal
from callback_service.tes_sim.operations import Operation, operation_of
from callback_service.tes_sim.premade import premade
from callback_service.tes_sim.profiles import Profile
from callback_service.tes_sim.reply import Refused, Reply, json_reply
from callback_service.tes_sim.request import Query, Request
from callback_service.tes_sim.spoilt import HUNG_UP, instead, spoilt
from callback_service.tes_sim.task import SimulatedTask
from callback_service.tes_sim.tes import Tes
from callback_service.tes_sim.troubles import Troubles


class SimulatedServer:
    """What it answers depends on what it was asked before, on `now` and on `chance`, only.

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
        self._tes = Tes(profile, self._conditions, self._chance)
        self._troubles = Troubles()
        self._lock = threading.RLock()

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
            request = Request(now, method, path, tuple(query), body, authorization)
            reply = self._answer(operation, request)
            asked = Asked(now, method, path, request.query, operation.name, reply.status)
            self.journal.write(asked)
            return reply

    def tasks(self) -> list[SimulatedTask]:
        """Newest first."""
        with self._lock:
            return list(self._tes.tasks.newest_first())

    @property
    def faults(self) -> Faults:
        return self._troubles.faults

    def set_faults(self, faults: Faults, now: datetime) -> None:
        """From now on these, and no others."""
        with self._lock:
            self._troubles.set(faults, now)

    def make(self, finished: int, still_open: int, now: datetime) -> None:
        """Tasks that are there already: those that are open, for ever, spread among the others."""
        with self._lock:
            for given, script in premade(finished, still_open):
                self._tes.add(given, script, now)

    def forget(self, task_id: str) -> None:
        with self._lock:
            if task := self._tes.tasks.get(task_id):
                self._tes.plan.forget(task)
                self._tes.tasks.remove(task)

    def restart(self, now: datetime, down: float = 0.0, *, forget: bool = False) -> None:
        """Away for `down` seconds; callbacks under way and meanwhile are lost, or told again."""
        with self._lock:
            self.restarts += 1
            back = now + timedelta(seconds=down)
            self._troubles.go_down(back)
            if forget:
                self._tes.plan.clear()
                self._tes.tasks.clear()
            elif self.profile.replays:
                for task in self._tes.tasks.newest_first():
                    if task.callback_url and task.state(now) not in FINAL:
                        self._tes.plan.again(task, back)

    def to_execute(self) -> list[tuple[SimulatedTask, datetime]]:
        """Those that were submitted since the last time, and when they begin."""
        with self._lock:
            waiting = self._tes.to_execute
            return [waiting.popleft() for _ in range(len(waiting))]

    def is_given_up(self, task_id: str) -> bool:
        with self._lock:
            task = self._tes.tasks.get(task_id)
            return task is None or task.stopped_at is not None

    def let(self, task_id: str, change: Callable[[SimulatedTask], SimulatedTask]) -> None:
        """Have the task become another one, unless it was forgotten."""
        with self._lock:
            task = self._tes.tasks.get(task_id)
            if task and (changed := change(task)) != task:
                self._tes.change(changed)

    def callbacks_due(self, now: datetime) -> list[Callback]:
        """Those that were not asked for yet, in the order in which they were due."""
        with self._lock:
            due = []
            while callback := self._tes.plan.pop(now):
                if self._is_lost(callback):
                    self.lost_callbacks += 1
                else:
                    due.append(callback)
            return due

    @property
    def next_callback_at(self) -> datetime | None:
        return self._tes.plan.next_at

    def block(self, task_id: str, now: datetime) -> None:
        """The task waits for the listener of its callbacks."""
        self.let(task_id, lambda task: task.block(now))

    def go_on(self, task_id: str, now: datetime) -> None:
        """The listener answered, whatever it was."""
        self.let(task_id, lambda task: task.go_on(now))

    def _answer(self, operation: Operation, request: Request) -> Reply:
        if self._troubles.is_down(request.at):
            return HUNG_UP
        faults = self._troubles.hit(operation.name, request.at)
        if faults and faults.replaces:
            return instead(self._refusal(Refused(faults.status, "a fault")), faults)
        reply = self._right_answer(operation, request)
        return spoilt(reply, faults) if faults else reply

    def _right_answer(self, operation: Operation, request: Request) -> Reply:
        try:
            self._conditions.credentials.check(request.authorization)
            return json_reply(self._tes.do(operation, request, self.faults))
        except Refused as refusal:
            return self._refusal(refusal)

    def _refusal(self, refusal: Refused) -> Reply:
        return json_reply(self.profile.error(refusal.status, refusal.message), refusal.status)

    def _is_lost(self, callback: Callback) -> bool:
        # Drawn in any case: what chance brings later must not depend on this.
        is_dropped = self._chance.random() < self.faults.drop_callbacks
        return is_dropped or self._troubles.is_down(callback.at)
