"""`GET /tasks/{id}`: from what is known while that is fresh, else from the server."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from callback_service.domain import tes
from callback_service.domain.errors import ServerFailed, Unavailable
from callback_service.domain.freshness import Patience, is_fresh
from callback_service.domain.polling import CallsBack
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task
from callback_service.domain.tes import MINIMAL, Json, Manner, Tag
from callback_service.relay.gateway.acceptance import Acceptance, accepted
from callback_service.relay.gateway.answer import Answer, answer_of, is_success, passed_on
from callback_service.relay.gateway.book import ServerBook
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.forward import Forwarder
from callback_service.relay.gateway.named import TaskPath
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.gateway.wanting import Wanting
from callback_service.relay.observe import Observer, Sighting
from callback_service.relay.ports import Change, Clock, Tasks
from callback_service.relay.record import Recorder, Step, task_topic
from callback_service.relay.watch import Watch

# Those who wait say so again before the workers forget it (`wanting.FOR`).
SAY_AGAIN = 4.0
# Where only the one who waits may ask, it is done for him; less often than he would himself.
ASK_AGAIN = 2.0
NO_TAG = Tag("", "")
# Who would wait asks again as soon as there is an answer; so many seconds lie between two.
APART = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """What is asked of a task; `wait` seconds for another state, where the client prefers that."""

    visit: Visit
    named: TaskPath
    query: str
    manner: Manner
    wait: int | None = None

    @property
    def topic(self) -> str:
        return task_topic(self.visit.key(self.named.task_id))


class _Told(NamedTuple):
    """An answer, and the state in it; None where there is none to wait upon."""

    answer: Answer
    state: State | None = None


@dataclass(frozen=True)
class Looker:
    forwarder: Forwarder
    acceptance: Acceptance
    book: ServerBook
    wanting: Wanting
    tasks: Tasks
    recorder: Recorder
    observer: Observer
    watch: Watch
    breaker: Breaker
    clock: Clock
    patience: Patience
    say_again: float = SAY_AGAIN

    def look(self, look: Look) -> Answer:
        """Raises `ServerFailed` where the server was asked and gave no usable answer."""
        if look.wait is None or not look.manner.is_minimal:
            return self._once(look, self._known(look)).answer
        begun_at = time.monotonic()
        told = self._waited(look, look.wait)
        if told is None:
            time.sleep(max(0, min(APART, look.wait) - (time.monotonic() - begun_at)))
            look = self._anew(look)
            return self._once(look, self._known(look)).answer
        if not told.answer.is_success:
            return told.answer
        return told.answer.saying(Preference_Applied=f"wait={look.wait}")

    def refresh(self, visit: Visit, named: TaskPath) -> None:
        """Ask the server how the task stands, and put that down if it says so."""
        look = Look(
            visit,
            named,
            f"view={MINIMAL}",
            Manner(is_minimal=True, variant=visit.variant, tag=NO_TAG),
        )
        with suppress(ServerFailed):
            self._ask(look, self._known(look))

    def _waited(self, look: Look, seconds: int) -> _Told | None:
        """None where there was nothing to wait upon, or no database that would tell of it."""
        known = self._known(look)
        if known is None:
            return None
        told = self._once(look, known)
        # What was known before: if the server said another one by now, that is news already.
        begun = known.state if known.seq else told.state
        if told.state is begun and begun and not begun.is_final:
            return self._hold(look, begun, seconds)
        # In a state that nobody knows, the task may be for long.
        return told if told.state or not told.answer.is_success else None

    def _known(self, look: Look) -> Task | None:
        """The task, new where nobody knew it; None where the database cannot say."""
        if not look.visit.is_lasting:
            return None
        key = look.visit.key(look.named.task_id)
        try:
            return self.breaker.call(self.tasks.load, [key]).get(key) or Task(key)
        except Unavailable:
            return None

    def _once(self, look: Look, known: Task | None) -> _Told:
        if look.manner.is_minimal and known and self._may_tell(look.visit, known):
            self._want(look.visit, known.state)
            return _told(look, known.state)
        return self._ask(look, known)

    def _may_tell(self, visit: Visit, task: Task) -> bool:
        now = self.clock.now()
        return is_fresh(task, visit.server, self.patience, now) and self.acceptance.holds(
            visit, task
        )

    def _want(self, visit: Visit, state: State | None) -> None:
        is_told = visit.server.tells is CallsBack.YES
        if not is_told and not (state and state.is_final):
            self.wanting.want(visit.server.key)

    def _ask(self, look: Look, known: Task | None) -> _Told:
        asked_at = self.clock.now()
        reply = self.forwarder.ask(look.visit, look.visit.question(look.named.path, look.query))
        if not is_success(reply.status):
            return _Told(passed_on(reply))
        try:
            task = tes.read_task(reply.body)
        except tes.NotTes as error:
            raise ServerFailed(f"the TES server's answer is no task: {error}") from None
        state = self._record(look, task, known, asked_at)
        if look.manner.is_minimal:
            self._want(look.visit, state)
            task = {**task, "state": _worded(state, task)}
        return _Told(answer_of(look.manner.of_task(task), reply.status), state)

    def _record(
        self, look: Look, task: Json, known: Task | None, asked_at: datetime
    ) -> State | None:
        """The state to tell: the server's, unless something newer came meanwhile."""
        seen = tes.seen(task)
        if known is None or seen.state is None or seen.task_id != look.named.task_id:
            return seen.state
        sighting = Sighting(known.key, seen.state, known.seq, asked_at, Source.GATEWAY)
        steps = [*self.observer.steps([sighting]), *_acceptances(look.visit, known, asked_at)]
        try:
            changes = self.breaker.call(self.recorder.record, steps)
            return self._latest(changes, known).state
        except Unavailable:
            return seen.state

    def _latest(self, changes: Sequence[Change], known: Task) -> Task:
        if changes:
            return changes[0].after
        return self.breaker.call(self.tasks.load, [known.key]).get(known.key, known)

    def _hold(self, look: Look, begun: State, seconds: int) -> _Told | None:
        found: list[Task | None] = []

        def has_moved() -> bool:
            self._want(look.visit, begun)
            if found and not look.visit.server.is_ours_to_ask:
                # Maybe nobody else may ask.
                self.refresh(look.visit, look.named)
            found.append(self._known(look))
            del found[:-1]
            # Without a database there is nothing to wait for.
            return found[0] is None or found[0].state is not begun

        self.watch.until(look.topic, seconds, has_moved, lambda: self._patience(look))
        (task,) = found
        if task is None:
            return None
        now = self._anew(look)
        if task.seq and task.state is not begun and self.acceptance.holds(now.visit, task):
            return _told(now, task.state)
        return self._once(now, task)

    def _patience(self, look: Look) -> float:
        return self.say_again if look.visit.server.is_ours_to_ask else ASK_AGAIN

    def _anew(self, look: Look) -> Look:
        """Much may have changed in a minute."""
        server = self.book.find(look.visit.server.key)
        return replace(look, visit=replace(look.visit, server=server))


def _told(look: Look, state: State) -> _Told:
    shown = tes.minimal(look.named.task_id, state, look.manner.variant)
    return _Told(answer_of(shown), state)


def _worded(state: State | None, task: Json) -> str | None:
    if state is State.UNKNOWN and tes.seen(task).state is not state:
        # The server said what is doubted, and nothing else is known. py-tes stops to wait for a
        # task in a state that it does not take for one under way.
        return State.QUEUED
    return state or task.get("state")


def _acceptances(visit: Visit, known: Task, asked_at: datetime) -> list[Step]:
    if not visit.shows_own:
        return []
    return [Step(known.key, lambda task: accepted(task, asked_at))]
