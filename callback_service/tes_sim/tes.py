"""The operations of TES, as the profile has them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callback_service.domain.states import FINAL, State
from callback_service.tes_sim import listing
from callback_service.tes_sim.callback_plan import CallbackPlan
from callback_service.tes_sim.commands import script_of
from callback_service.tes_sim.conditions import Conditions
from callback_service.tes_sim.faults import Faults
from callback_service.tes_sim.listing import Query
from callback_service.tes_sim.profiles import Profile
from callback_service.tes_sim.reply import Refused
from callback_service.tes_sim.script import Script
from callback_service.tes_sim.store import Tasks
from callback_service.tes_sim.submitted import READ_ONLY, read_task
from callback_service.tes_sim.task import SimulatedTask

CALLBACK_URL = "callback_url"


@dataclass(slots=True)
class Tes:
    profile: Profile
    conditions: Conditions
    chance: random.Random
    plan: CallbackPlan
    tasks: Tasks = field(default_factory=Tasks)

    def list(self, query: Query, faults: Faults, now: datetime) -> Any:
        filters = frozenset[str]() if faults.no_filters else self.profile.filters
        wanted = listing.wanted(query, self.profile, filters, now)
        if self.profile.has_pages:
            found = self.tasks.newest_first(wanted.before)
        else:
            found = self.tasks.by_id()
        return listing.page(found, wanted, self.profile, now)

    def get(self, task_id: str, query: Query, now: datetime) -> Any:
        task = self._known(task_id)
        return self.profile.show(task, listing.view_of(query), now, self.profile.logs_after)

    def create(self, body: bytes | None, faults: Faults, now: datetime) -> Any:
        fields = self.profile.fields
        if self.profile.calls_back:
            fields = {**fields, "": fields[""] | {CALLBACK_URL}}
        submitted = read_task(body, fields)
        self.profile.check(submitted)
        url = submitted.pop(CALLBACK_URL, None)
        given = {name: value for name, value in submitted.items() if name not in READ_ONLY}
        task = self.add(given, self._script(given, faults), now, url)
        if url:
            self.plan.follow(task)
        return {"id": task.id}

    def add(
        self, given: Mapping[str, Any], script: Script, now: datetime, url: str | None = None
    ) -> SimulatedTask:
        moves = script.moves(now, self.conditions.speed)
        task = SimulatedTask(self.tasks.next_number, self._new_id(), given, now, moves, url)
        self.tasks.add(task)
        return task

    def cancel(self, task_id: str, now: datetime) -> Any:
        task = self._known(task_id)
        state = task.state(now)
        if state in self.profile.cannot_cancel:
            raise Refused(500, f"the task cannot be canceled: it is {state}")
        if state in FINAL or state is State.CANCELING:
            return {}
        speed = self.conditions.speed
        canceling = self.profile.canceling
        self.change(
            task.cancel(
                now,
                None if canceling is None else canceling / speed,
                self.profile.stopping / speed,
            )
        )
        return {}

    def info(self) -> Any:
        return {
            "id": f"tes-sim.{self.profile.name}",
            "name": f"Simulated TES server ({self.profile.name})",
            "type": {"group": "org.ga4gh", "artifact": "tes", "version": self.profile.version},
            "organization": {"name": "tes-sim", "url": "https://example.org"},
            "version": self.profile.version,
            **self.profile.info,
        }

    def change(self, task: SimulatedTask) -> None:
        self.tasks.change(task)
        if task.callback_url:
            self.plan.follow(task)

    def _known(self, task_id: str) -> SimulatedTask:
        task = self.tasks.get(task_id)
        if task is None:
            raise Refused(404, f"task not found: {task_id}")
        return task

    def _script(self, given: Mapping[str, Any], faults: Faults) -> Script:
        queues = self.profile.queues_executors
        try:
            script = script_of(given, self.conditions.script, per_executor=queues)
        except ValueError as error:
            raise Refused(400, f"tags.tes-sim: {error}") from None
        if script.steps[-1].state is State.COMPLETE and self.chance.random() < faults.preempted:
            known = self.profile.knows_preempted
            return script.ending(State.PREEMPTED if known else State.SYSTEM_ERROR)
        return script

    def _new_id(self) -> str:
        """Random, as servers' are, so that nobody learns anything from their order."""
        while True:
            task_id = f"task-{self.chance.getrandbits(48):012x}"
            if not self.tasks.get(task_id):
                return task_id
