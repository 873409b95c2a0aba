"""Runs that have lost their engine: which they seem to be, and that somebody gives one up."""

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from callback_service.domain.errors import Conflict, Unknown, WesUnreadable
from callback_service.domain.run import Failing, Run, RunStatus
from callback_service.domain.sink import CwlWesSink, HttpSink, NoSink, Sink, WesSink, can_fail
from callback_service.domain.stuck import Rest, WesRun
from callback_service.relay.ports import Clock, Doorbell, Runs, Tasks, WesRuns

log = logging.getLogger(__name__)

FAIL_STUCK_EVERY = timedelta(minutes=1)
# Who gives up what nobody was asked about.
SETTING = "custom.cwl_wes.fail_stuck_after"
_PAGE = 100
_READABLE: tuple[type[Sink], ...] = (CwlWesSink,)
_UNSURE: tuple[type[Sink], ...] = (WesSink, HttpSink, NoSink)


@dataclass(frozen=True, slots=True)
class StuckRun:
    """A run that seems to be stuck; `wes_run` is None where its WES was not read."""

    run: Run
    rest: Rest
    quiet_for: timedelta
    why: str
    wes_run: WesRun | None = None

    @property
    def is_sure(self) -> bool:
        return self.wes_run is not None


@dataclass(frozen=True, slots=True)
class Resting:
    """A run of which nothing was heard for a while."""

    run: Run
    rest: Rest
    quiet_for: timedelta

    @property
    def so_far(self) -> str:
        tasks = "its task has" if self.rest.ended == 1 else f"all {self.rest.ended} tasks have"
        return f"{tasks} ended"

    def is_stuck(self, why: str, wes_run: WesRun | None = None) -> StuckRun:
        return StuckRun(self.run, self.rest, self.quiet_for, f"{self.so_far}; {why}", wes_run)


@dataclass(frozen=True)
class StuckRuns:
    """Of all owners: for operators."""

    runs: Runs
    tasks: Tasks
    wes_runs: WesRuns
    doorbell: Doorbell
    clock: Clock

    def page(
        self, quiet_for: timedelta, after: str = "", limit: int = _PAGE, *, unsure: bool = False
    ) -> tuple[list[StuckRun], str | None]:
        """Those among the next `limit` runs, and the id behind which to go on, if at all."""
        before = self.clock.now() - quiet_for
        sinks = _READABLE + _UNSURE if unsure else _READABLE
        looked_at = self.runs.going_on(sinks, before, after, limit)
        resting = [one for run in looked_at if (one := self._resting(run, quiet_for))]
        standing = self._standing(one.run for one in resting)
        stuck = [found for one in resting if (found := _judged(one, standing))]
        lively = self._lively({one.run.sink for one in stuck if one.is_sure}, before)
        stuck = [one for one in stuck if not one.is_sure or one.run.sink not in lively]
        return stuck, looked_at[-1].id if len(looked_at) == limit else None

    def give_up(self, run_id: str, by: str, reason: str) -> Run:
        """Let the run be marked as failed where it is told, after what it is owed.

        Whoever delivers to it does so, unless a task of it goes on then, or has moved since.
        Raises `Conflict` where that cannot be; a run that is gone already stays as it is.
        """
        run = self._find(run_id)
        if run.status is RunStatus.GONE:
            return run
        self._check(run)
        if run.failing is None:
            failing = Failing(by, self.clock.now(), reason)
            # All attempts are before it: whoever gives it up wants it now.
            fields = {"failing": failing, "next_attempt_at": None, "failures": 0}
            self.runs.change(run_id, fields)
            log.info("run.given_up", extra={"fields": {"run": run_id, "by": by, "reason": reason}})
        self.doorbell.ring({run_id})
        return self._find(run_id)

    def give_up_all(self, quiet_for: timedelta) -> None:
        """Those of which it is sure."""
        after: str | None = ""
        while after is not None:
            stuck, after = self.page(quiet_for, after)
            for one in stuck:
                if one.is_sure and one.run.failing is None:
                    # It may have been paused, or have got another task, since it was looked at.
                    with suppress(Conflict, Unknown):
                        self.give_up(one.run.id, SETTING, one.why)

    def _find(self, run_id: str) -> Run:
        run = self.runs.find({run_id}).get(run_id)
        if run is None or not run.is_open(self.clock.now()):
            raise Unknown(f"there is no run {run_id!r}; it may have expired")
        return run

    def _check(self, run: Run) -> None:
        if not can_fail(run.sink):
            raise Conflict(
                "only runs of cwl-WES, and of a WES that is told by a sink of type wes, can be "
                "marked; this one is nobody's to mark but its engine's"
            )
        if run.status is RunStatus.PAUSED:
            raise Conflict("the run is paused; resume it first")
        states, _ = self.tasks.counts(run.id)
        open_tasks = Rest(states, 0, None).open
        if open_tasks:
            raise Conflict(
                f"{open_tasks} of its tasks went on when last heard of; wait for their end, "
                "or cancel them at the TES server"
            )

    def _resting(self, run: Run, quiet_for: timedelta) -> Resting | None:
        now, last_change = self.clock.now(), self.tasks.last_change(run.id)
        # First what costs little, and is enough for nearly all.
        if last_change is None or last_change > now - quiet_for:
            return None
        rest = Rest(*self.tasks.counts(run.id), last_change)
        return Resting(run, rest, now - last_change) if rest.is_quiet(now, quiet_for) else None

    def _standing(self, runs: Iterable[Run]) -> Mapping[str, dict[str, WesRun] | WesUnreadable]:
        """How the runs of each target stand there, or why nobody can say."""
        wanted: dict[str, set[str]] = {}
        for run in runs:
            if isinstance(run.sink, CwlWesSink):
                wanted.setdefault(run.sink.target, set()).add(run.sink.wes_run_id)
        return {target: self._look(target, wes_run_ids) for target, wes_run_ids in wanted.items()}

    def _lively(self, sinks: Collection[Sink], before: datetime) -> set[Sink]:
        """Those by which other runs are told as well, of tasks that go on or have moved since.

        Whoever may register runs can name the run of a WES that is told of somebody else's tasks:
        that his own have ended says nothing of its engine.
        """
        after: str | None = "" if sinks else None
        lively: set[Sink] = set()
        while after is not None:
            runs = self.runs.going_on(_READABLE, self.clock.now(), after, _PAGE)
            lively.update(
                run.sink for run in runs if run.sink in sinks and self._has_news(run, before)
            )
            after = runs[-1].id if len(runs) == _PAGE else None
        return lively

    def _has_news(self, run: Run, before: datetime) -> bool:
        last_change = self.tasks.last_change(run.id)
        if last_change is None:
            return False
        states, owed = self.tasks.counts(run.id)
        return last_change > before or Rest(states, owed, last_change).open > 0

    def _look(self, target: str, wes_run_ids: Collection[str]) -> dict[str, WesRun] | WesUnreadable:
        try:
            return self.wes_runs.look(target, wes_run_ids)
        except WesUnreadable as error:
            return error


def _judged(
    resting: Resting, standing: Mapping[str, dict[str, WesRun] | WesUnreadable]
) -> StuckRun | None:
    sink = resting.run.sink
    if not isinstance(sink, CwlWesSink):
        return resting.is_stuck("whether the run has, this service is not told")
    found = standing[sink.target]
    if isinstance(found, WesUnreadable):
        return resting.is_stuck(f"how the run stands cannot be read: {found}")
    wes_run = found.get(sink.wes_run_id)
    if wes_run is None or not wes_run.may_be_stuck:
        return None
    return resting.is_stuck(wes_run.describe(), wes_run)
