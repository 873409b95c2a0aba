"""How old what is known of a task is, and when its server should be asked again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from callback_service.domain.doubt import SETTLING
from callback_service.domain.polling import CallsBack
from callback_service.domain.server import Server
from callback_service.domain.states import Source, State
from callback_service.domain.task import MISSING_FOR, Task, TaskKey

# A callback that told of an end is believed at once, and looked up when the server has settled.
CONFIRM_AFTER = SETTLING
# A task is asked for after a part of the time for which it has not changed, within bounds.
PART = 0.1
# While a client waits for it: who waits for what takes an hour does not mind a second. But what is
# older than `Patience.fresh` is not told any more.
WANTED, WANTED_PART, WANTED_SLOW = timedelta(seconds=0.3), 0.015, timedelta(seconds=1.5)
# While others wait here for news of it: as seldom as an engine would look by itself.
WAITED = timedelta(seconds=1.5)
# What was written so long before a poll began was there to be read.
VISIBLE = timedelta(seconds=1)
# After so long nobody asks any more whether a task ended as a callback told.
UNCONFIRMED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Patience:
    """When servers are asked (the settings in `custom.servers`).

    `fast` and `slow` bound the time between two looks at a task; `silence` is for how long a
    server that calls back may say nothing of a task; `fresh` for how long a client
    is answered from what is known.
    """

    fast: timedelta = WAITED
    slow: timedelta = timedelta(seconds=60)
    silence: timedelta = timedelta(seconds=60)
    fresh: timedelta = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A task whose server has not said yet how it ended, in as much as asking needs of it."""

    key: TaskKey
    state: State
    seq: int
    began_at: datetime | None
    updated_at: datetime | None
    heard_at: datetime | None
    confirmed_at: datetime | None
    missing_at: datetime | None
    is_tagged: bool

    @property
    def is_told(self) -> bool:
        """Whether its state is what a callback told, and nobody has read it since."""
        return self.seq > 0 and self.confirmed_at is None

    def is_in(self, covered_at: datetime) -> bool:
        """Whether a poll that began then, and asked for every open task, asked for this one."""
        began_at = self.began_at
        if began_at is None and self.updated_at:
            # Nobody knows anything of it: it is there since somebody joined it.
            began_at = self.updated_at + VISIBLE
        return began_at is not None and began_at <= covered_at and self.missing_at is None

    def is_given_up(self, now: datetime) -> bool:
        """Whether its end is believed for good although its server never said it."""
        return (
            self.state.is_final
            and self.updated_at is not None
            and now - self.updated_at > UNCONFIRMED
        )


def outlined(task: Task) -> Unsettled:
    return Unsettled(
        key=task.key,
        state=task.state,
        seq=task.seq,
        began_at=task.history[0].at if task.history else None,
        updated_at=task.updated_at,
        heard_at=task.heard_at,
        confirmed_at=task.confirmed_at,
        missing_at=task.missing_at,
        is_tagged=task.is_tagged,
    )


def known_at(task: Unsettled, server: Server) -> datetime | None:
    """When the server last said how the task stands; a poll covers what was there before it."""
    covered_at = server.polling.covered_at
    if covered_at is None or not task.is_in(covered_at):
        return task.confirmed_at
    return max(task.confirmed_at or covered_at, covered_at)


def due_at(task: Unsettled, server: Server, patience: Patience, now: datetime) -> datetime | None:
    """From when on the server should be asked for the task; None: at once."""
    changed = task.updated_at or now
    if task.missing_at:
        return task.missing_at + MISSING_FOR
    if task.state.is_final:
        return changed + CONFIRM_AFTER
    known = known_at(task, server)
    if server.tells is CallsBack.YES and task.heard_at:
        return max(task.heard_at, known or task.heard_at) + patience.silence
    if known is None:
        if task.seq == 0:
            return None
        # A callback told of it. Its server is in no hurry to say the same.
        known = changed
    wait = min(max((now - changed) * PART, patience.fast), patience.slow)
    if server.polling.is_waited(now):
        wait = min(wait, WAITED)
    if server.polling.is_wanted(now):
        wait = min(wait, max((now - changed) * WANTED_PART, WANTED), WANTED_SLOW)
    return known + wait


def is_fresh(task: Task, server: Server, patience: Patience, now: datetime) -> bool:
    """Whether a client may be told the state without asking the server."""
    if task.seq == 0 or task.missing_at:
        return False
    if task.state.is_final:
        return True
    outline = outlined(task)
    known = known_at(outline, server)
    # Where nobody asks but clients, they may not wait for each other's answers to grow old.
    fresh = patience.fresh if server.is_ours_to_ask else min(patience.fresh, WANTED)
    if known is not None and now - known <= fresh:
        return True
    if server.tells is not CallsBack.YES or task.heard_at is None or not _is_told_of(task):
        return False
    return now - task.heard_at <= patience.silence


def _is_told_of(task: Task) -> bool:
    """Whether its server can have been given a URL to call, or has called.

    A task that was submitted elsewhere is heard of by asking, and never by a callback.
    """
    return task.is_tagged or any(update.source is Source.CALLBACK for update in task.history)
