"""Snakemake's executor plugin for TES: it is told of its jobs' ends as they come.

By itself it first looks 40 seconds after the start, and then every ten seconds at each job; it ends
the workflow when it once gets no answer, and when a job has failed, for it then opens a file that
is only where its authors test it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, AsyncIterator, Collection, List, Optional, Sequence, Set

import requests

from callback_client.mends.rounds import Rounds
from callback_client.news import News
from callback_client.py_tes import HTTPClient
from callback_client.values import FINAL_STATES

log = logging.getLogger("callback_client")

# How long Snakemake's own end may go unnoticed, and a job be there that nobody has looked at.
SLICE, ROUND = 0.05, 1.0
# What is told is looked at all the same: the service may be wrong.
LOOK_EVERY = 60.0
# What a server says that may say something else soon.
_MAY_PASS = (408, 425, 429)


class Looks:
    """How one executor looks at its jobs."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._news: Optional[News] = executor.tes_client.news
        self._rounds = Rounds()
        self._is_failing = False

    @property
    def _is_told(self) -> bool:
        return self._news is not None and self._news.is_current

    def due(self, jobs: Sequence[Any]) -> Set[str]:
        ended: Collection[str] = () if self._news is None else self._news.take()
        seldom: float = self._executor.next_seconds_between_status_checks
        patience = LOOK_EVERY if self._is_told else seldom
        return self._rounds.due([job.external_jobid for job in jobs], ended, patience, _now())

    async def state(self, job: Any) -> Optional[str]:
        """None: it cannot be said now."""
        if not self._is_told:
            # Then it is the TES server that is asked.
            async with self._executor.status_rate_limiter:
                pass
        try:
            task = self._executor.tes_client.get_task(job.external_jobid, view="MINIMAL")
        except requests.RequestException as error:
            if not _may_pass(error):
                raise
            if not self._is_failing:
                log.warning("task %s: %s; asking again", job.external_jobid, error)
            self._is_failing = True
            return None
        self._is_failing = False
        return str(task.state)

    async def pause(self) -> None:
        until = _now() + ROUND
        await self._slice()
        # Snakemake says by `wait` whether there is anything left to wait for.
        while self._executor.wait and _now() < until and not self._news:
            await self._slice()

    async def _slice(self) -> None:
        if self._news is None:
            await asyncio.sleep(SLICE)
        else:
            # In a thread, which news wakes at once; this one has an event loop.
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._news.wait, SLICE)


def mend(plugin: Any) -> None:
    if not issubclass(plugin.tes.HTTPClient, HTTPClient):
        raise TypeError("it has another TES client")
    plugin.Executor = _told(plugin.Executor)
    plugin.common_settings.init_seconds_before_status_checks = 0


def _told(base: Any) -> Any:
    class Executor(base):  # type: ignore[misc]
        # Snakemake's thread is there before the rest of an executor.
        _looks: Optional[Looks] = None

        def __post_init__(self) -> None:
            super().__post_init__()
            self._looks = Looks(self)

        async def check_active_jobs(self, active_jobs: List[Any]) -> AsyncIterator[Any]:
            looks = self._looks
            due = looks.due(active_jobs) if looks else set()
            for job in active_jobs:
                state = await looks.state(job) if looks and job.external_jobid in due else None
                if state == "COMPLETE":
                    self.report_job_success(job)
                elif state in FINAL_STATES:
                    self.report_job_error(job)
                else:
                    yield job

        async def sleep(self) -> None:
            await (self._looks.pause() if self._looks else asyncio.sleep(SLICE))

    return Executor


def _now() -> float:
    return time.monotonic()


def _may_pass(error: requests.RequestException) -> bool:
    answer = error.response
    return answer is None or answer.status_code >= 500 or answer.status_code in _MAY_PASS
