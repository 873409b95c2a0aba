"""What servers differ in."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callback_service.domain.states import FINAL, State
from callback_service.tes_sim.shown import View, by_the_book
from callback_service.tes_sim.submitted import TES_1_1, Fields
from callback_service.tes_sim.task import SimulatedTask

FILTERS = frozenset({"state", "name_prefix", "tag_key"})
# In which a cancel can change nothing any more.
ENDED_OTHERWISE = FINAL - {State.CANCELED}


def _plain_error(status: int, message: str) -> Mapping[str, Any]:
    return {"status_code": status, "message": message}


def _takes_all(_task: Mapping[str, Any]) -> None:
    """The task was checked already; nothing behind the server refuses it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A server's habits. What is left out here is as TES 1.1.0 says. Times in seconds."""

    name: str
    version: str = "1.1.0"
    # Below which paths it answers.
    prefixes: tuple[str, ...] = ("/ga4gh/tes/v1",)
    fields: Fields = field(default_factory=lambda: TES_1_1)
    check: Callable[[Mapping[str, Any]], None] = _takes_all
    error: Callable[[int, str], Mapping[str, Any]] = _plain_error
    show: Callable[[SimulatedTask, View, datetime, float], Any] = by_the_book
    # The other ones are ignored without a word.
    filters: AbstractSet[str] = FILTERS
    # Else all tasks are one page, in the order of their ids.
    has_pages: bool = True
    # Else what is larger is cut down.
    refuses_large_pages: bool = True
    # Whether a full page has a token in any case: behind it may be an empty page.
    looks_no_further: bool = False
    # Whether a page that is the last one says so by an empty token.
    says_last_page: bool = False
    # Whether each executor is queued, too.
    queues_executors: bool = False
    # How long it says CANCELING; None where it does not know that state.
    canceling: float | None = 0.5
    # How long after a cancel the process is gone.
    stopping: float = 0.0
    # Final states in which a cancel is answered 500.
    cannot_cancel: AbstractSet[State] = frozenset()
    logs_after: float = 0.0
    # What becomes of a task whose machine is taken away.
    preempted: State = State.PREEMPTED
    info: Mapping[str, Any] = field(default_factory=dict)
    calls_back: bool = False
    # Whether the first state is told, which whoever submitted knows.
    tells_first_state: bool = True
    # Whether a task goes on only when the listener answered.
    waits_for_listener: bool = False
    # Whether a restart tells everything of open tasks again.
    replays: bool = False
    # Whether a cancel before anything ran is told.
    tells_early_cancel: bool = True

    @property
    def known_fields(self) -> Fields:
        """What a submitted task may hold."""
        if not self.calls_back:
            return self.fields
        return {**self.fields, "": self.fields[""] | {"callback_url"}}
