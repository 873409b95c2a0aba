"""The operations of TES, as the profile has them."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from callback_service.domain.states import FINAL, State
from callback_service.tes_sim import listing
from callback_service.tes_sim.callback_plan import CallbackPlan
from callback_service.tes_sim.commands import own_script, script_of
from callback_service.tes_sim.conditions import Conditions
from callback_service.tes_sim.faults import Faults
from callback_service.tes_sim.operations import Operation
from callback_service.tes_sim.profiles import Profile
from callback_service.tes_sim.reply import Refused
from callback_service.tes_sim.request import Request
from callback_service.tes_sim.script import Script
from callback_service.tes_sim.store import Tasks
from callback_service.tes_sim.submitted import READ_ONLY, read_task
from callback_service.tes_sim.task import SimulatedTask

_CALLBACK_URL = "callback_url"


class Tes:
    def __init__(self, profile: Profile, conditions: Conditions, chance: Random) -> None:
        self.tasks = Tasks()
        self.plan = CallbackPlan(profile)
        # With the time from when on their commands may run.
        self.to_execute: deque[tuple[SimulatedTask, datetime]] = deque()
        self._profile = profile
        self._conditions = conditions
        self._chance = chance

    def do(self, operation: Operation, request: Request, faults: Faults) -> Any:
        """What is answered, or `Refused`."""
        match operation.name:
            case "ListTasks":
                return self._list(request, faults)
            case "GetTask":
                return self._get(operation.task_id, request)
            case "CreateTask":
                return self._create(request, faults)
            case "CancelTask":
                return self._cancel(operation.task_id, request.at)
            case "GetServiceInfo":
                return self._info()
        raise Refused(404, "Not Found")

    def add(
        self, given: Mapping[str, Any], script: Script, now: datetime, url: str | None = None
    ) -> None:
        moves = script.moves(now, self._conditions.speed)
        number = self.tasks.next_number
        self.change(SimulatedTask(number, self._new_id(), given, now, moves, url))

    def change(self, task: SimulatedTask) -> None:
        self.tasks.put(task)
        if task.callback_url:
            self.plan.follow(task)

    def _list(self, request: Request, faults: Faults) -> Any:
        filters = frozenset[str]() if faults.no_filters else self._profile.filters
        wanted = listing.wanted(request, self._profile, filters)
        in_order = self._profile.has_pages
        found = self.tasks.newest_first(wanted.before) if in_order else self.tasks.by_id()
        return listing.page(found, wanted, self._profile, request)

    def _get(self, task_id: str, request: Request) -> Any:
        view = listing.view_of(request)
        return self._profile.show(self._known(task_id), view, request.at, self._profile.logs_after)

    def _create(self, request: Request, faults: Faults) -> Any:
        submitted = read_task(request.body, self._profile.known_fields)
        self._profile.check(submitted)
        url = submitted.pop(_CALLBACK_URL, None)
        given = {name: value for name, value in submitted.items() if name not in READ_ONLY}
        script = self._script(given, faults)
        if self._conditions.executes and script.runs:
            self._execute(given, script.before_running(), request.at, url)
        else:
            self.add(given, script, request.at, url)
        return {"id": self.tasks.newest_id}

    def _execute(
        self, given: Mapping[str, Any], before: Script, now: datetime, url: str | None
    ) -> None:
        self.add(given, before, now, url)
        task = self.tasks.get(self.tasks.newest_id)
        waits = timedelta(seconds=before.seconds / self._conditions.speed)
        if task:
            self.to_execute.append((task, now + waits))

    def _cancel(self, task_id: str, now: datetime) -> Any:
        task, habits, speed = self._known(task_id), self._profile, self._conditions.speed
        state = task.state(now)
        if state in habits.cannot_cancel:
            raise Refused(500, f"the task cannot be canceled: it is {state}")
        if state not in FINAL and state is not State.CANCELING:
            canceling = None if habits.canceling is None else habits.canceling / speed
            self.change(task.cancel(now, canceling, habits.stopping / speed))
        return {}

    def _info(self) -> Any:
        version = self._profile.version
        return {
            "id": f"tes-sim.{self._profile.name}",
            "name": f"Simulated TES server ({self._profile.name})",
            "type": {"group": "org.ga4gh", "artifact": "tes", "version": version},
            "organization": {"name": "tes-sim", "url": "https://example.org"},
            "version": version,
            **self._profile.info,
        }

    def _known(self, task_id: str) -> SimulatedTask:
        task = self.tasks.get(task_id)
        if task is None:
            raise Refused(404, f"task not found: {task_id}")
        return task

    def _script(self, given: Mapping[str, Any], faults: Faults) -> Script:
        queues = self._profile.queues_executors
        executed = self._conditions.executes
        try:
            script = (
                own_script(given) or self._conditions.script
                if executed
                else script_of(given, self._conditions.script, per_executor=queues)
            )
        except ValueError as error:
            raise Refused(400, f"tags: {error}") from None
        # Drawn in any case: what chance brings later must not depend on this.
        is_preempted = self._chance.random() < faults.preempted
        if is_preempted and script.steps[-1].state is State.COMPLETE:
            return script.ending(self._profile.preempted)
        return script

    def _new_id(self) -> str:
        """Random, as servers' are, so that nobody learns anything from their order."""
        while True:
            task_id = f"task-{self._chance.getrandbits(48):012x}"
            if not self.tasks.get(task_id):
                return task_id
