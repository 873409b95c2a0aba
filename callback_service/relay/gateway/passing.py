"""What is passed through: lists, cancels and the self-description."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from callback_service.domain import tes
from callback_service.domain.errors import ServerFailed, Unavailable
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.domain.tes import Json, Manner, NotTes, Seen
from callback_service.domain.tes_pages import tell_page
from callback_service.relay.gateway.answer import Answer, answer_of, is_success, passed_on
from callback_service.relay.gateway.breaker import Breaker
from callback_service.relay.gateway.forward import Forwarder
from callback_service.relay.gateway.named import TaskPath, is_task_id
from callback_service.relay.gateway.visit import Visit
from callback_service.relay.gateway.wanting import Wanting
from callback_service.relay.observe import Observer, Sighting
from callback_service.relay.ports import Clock, Method, Reply, Tasks

# A page may be older than a callback that came just before it was asked for.
MOVING = timedelta(seconds=2)

# Tasks of a page whose states are put down: as many as TES lets one hold. Some servers have all of
# theirs on it, and those behind are found out as ever.
MOST_NOTED = 2_048
# For more, a database that is well could need so long that it would be taken for one that is down.
NOTED_AT_ONCE = 512


@dataclass(frozen=True)
class Passing:
    """Each method raises `ServerFailed` where the server gave no usable answer."""

    forwarder: Forwarder
    wanting: Wanting
    tasks: Tasks
    observer: Observer
    breaker: Breaker
    clock: Clock
    # Lets the process serve others, in the middle of much work.
    breathe: Callable[[], None]
    # Asks how a task stands, and puts that down.
    refresh: Callable[[Visit, TaskPath], None]

    def page(self, visit: Visit, query: str, manner: Manner) -> Answer:
        asked_at = self.clock.now()
        reply = self.forwarder.ask(visit, visit.question("/tasks", query))
        if not is_success(reply.status):
            return passed_on(reply)
        try:
            page = tell_page(reply.body, manner, self.breathe, MOST_NOTED)
        except NotTes as error:
            raise ServerFailed(f"the TES server's answer is no list of tasks: {error}") from None
        self._note(visit, page.seen, asked_at)
        return Answer(reply.status, page.body)

    def cancel(self, visit: Visit, named: TaskPath, query: str) -> Answer:
        question = visit.question(f"{named.path}:cancel", query, Method.POST)
        reply = self.forwarder.ask(visit, question)
        if not is_success(reply.status):
            return passed_on(reply)
        try:
            cancelled = tes.read_cancelled(reply.body)
        except NotTes as error:
            raise ServerFailed(f"the TES server's answer to the cancel is wrong: {error}") from None
        # A server that calls back may say nothing of it, and whoever cancelled looks now.
        self.refresh(visit, named)
        self.wanting.want(visit.server.key)
        return answer_of(cancelled, _with_body(reply))

    def service_info(self, visit: Visit, *, is_old: bool, is_strict: bool) -> Answer:
        """`is_old`: in the shape of TES 0.x; `is_strict`: for a client that knows no callbacks."""
        reply = self.forwarder.ask(visit, visit.question("/service-info"))
        if not is_success(reply.status):
            return passed_on(reply)
        try:
            info = tes.read_service_info(reply.body)
        except NotTes as error:
            raise ServerFailed(f"the TES server's service-info is wrong: {error}") from None
        return answer_of(_described(info, is_old=is_old, is_strict=is_strict), reply.status)

    def _note(self, visit: Visit, page: Sequence[Seen], asked_at: datetime) -> None:
        """The states of the tasks that somebody follows; that there are others is no news."""
        states = {
            visit.key(seen.task_id): seen.state
            for seen in page
            if seen.state and is_task_id(seen.task_id)
        }
        if visit.is_lasting:
            keys = list(states)
            with suppress(Unavailable):
                for first in range(0, len(keys), NOTED_AT_ONCE):
                    known = self.breaker.call(self.tasks.load, keys[first : first + NOTED_AT_ONCE])
                    if news := _news(known.values(), states, asked_at):
                        self.breaker.call(self.observer.observe, news)


def _news(
    known: Iterable[Task], states: Mapping[TaskKey, State], asked_at: datetime
) -> Sequence[Sighting]:
    return [
        Sighting(task.key, states[task.key], task.seq, asked_at, Source.GATEWAY)
        for task in known
        if _is_news(task, states[task.key], asked_at)
    ]


def _is_news(task: Task, state: State, asked_at: datetime) -> bool:
    if task.is_settled or (task.updated_at and task.updated_at > asked_at - MOVING):
        return False
    # What is known already is written only where it confirms an end.
    return task.state is not state or state.is_final


def _with_body(reply: Reply) -> int:
    return 200 if reply.status == 204 else reply.status


def _described(info: Json, *, is_old: bool, is_strict: bool) -> Json:
    if is_old:
        return tes.old_service_info(info)
    return info if is_strict else {**info, "callback_supported": True}
