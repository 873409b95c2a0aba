"""Toil's plugin for TES: it is found, and told of its tasks' ends as they come.

By itself it looks at each of its tasks once a second, and once more at all of them for each that
has ended.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, Collection, Optional, Set

from callback_client.news import News

# How often jobs at the leader are looked at, and how often Toil itself looks.
SLICE, ROUND = 0.05, 1.0
# What is told is looked at all the same: the service may be wrong.
LOOK_EVERY = 60.0


class Ends:
    """Whom to look at: tasks whose end was told, and all of them now and then."""

    def __init__(self, news: Optional[News]) -> None:
        self._news = news
        self._ended: Set[str] = set()
        self._looked_at = _now()

    def due(self, tasks: Collection[str]) -> Set[str]:
        if self._news is not None:
            self._ended.update(self._news.take())
        # Kept until Toil has done with them: it takes one at a time.
        self._ended.intersection_update(tasks)
        if self._is_told and _now() - self._looked_at < LOOK_EVERY:
            return set(self._ended)
        return set(tasks)

    def note(self, looked_at: Collection[str], tasks: Collection[str]) -> None:
        """None of these has ended."""
        if len(looked_at) == len(tasks):
            self._looked_at = _now()

    def wait(self, until: float) -> None:
        # Of jobs at the leader there is no news.
        seconds = min(until - _now(), SLICE if self._is_told else ROUND)
        if self._news is None:
            time.sleep(max(seconds, 0))
        else:
            self._news.wait(seconds)

    @property
    def _is_told(self) -> bool:
        return self._news is not None and self._news.is_current


def mend(plugin: Any) -> None:
    # 0.0.1 looks for its module by a name that is misspelt.
    module: Any = importlib.import_module(f"{plugin.__name__}.tes_batch_system")
    sys.modules.setdefault(f"{plugin.__name__}.tes_batch_stytem", module)
    # Only now: py-tes is imported by the program, or it would not find the drop-in's place.
    drop_in: Any = importlib.import_module("callback_client.py_tes")
    if not issubclass(module.tes.HTTPClient, drop_in.HTTPClient):
        raise TypeError("it has another TES client")
    module.TESBatchSystem = _told(module.TESBatchSystem)


def _told(base: Any) -> Any:
    class TESBatchSystem(base):  # type: ignore[misc]
        tes_id_to_bs_id: Any

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self._ends = Ends(self.tes.news)

        def getUpdatedBatchJob(self, maxWait: float) -> Any:  # noqa: N802, N803 - Toil's names
            until = _now() + maxWait
            while (found := self._look()) is None and _now() < until:
                self._ends.wait(until)
            return found

        def _look(self) -> Any:
            jobs = self.tes_id_to_bs_id
            due = self._ends.due(jobs)
            others = {one: job for one, job in jobs.items() if one not in due}
            # Toil looks at all that are here, and takes out which have ended.
            self.tes_id_to_bs_id = {one: jobs[one] for one in due}
            try:
                found = super().getUpdatedBatchJob(0)
            finally:
                self.tes_id_to_bs_id.update(others)
            if found is None:
                self._ends.note(due, jobs)
            return found

    return TESBatchSystem


def _now() -> float:
    return time.monotonic()
