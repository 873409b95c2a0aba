"""Executes the tasks of a simulated server, and tells it how they stand."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from callback_service.domain.states import State
from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.execution.places import Places
from callback_service.tes_sim.execution.process import run
from callback_service.tes_sim.execution.staging import StagingFailed, collect, prepare
from callback_service.tes_sim.task import SimulatedTask
from callback_service.tes_sim.work import Result, Work

# Seconds between two looks at what was submitted and canceled.
_PAUSE = 0.01


async def execute_tasks(
    core: SimulatedServer, folder: Path, environ: Mapping[str, str] | None = None
) -> None:
    """Until it is cancelled; each task has a folder of its own in `folder`."""
    executions = _Executions(core, folder, environ or _own_environ())
    try:
        while True:
            executions.look()
            await asyncio.sleep(_PAUSE)
    finally:
        await executions.end()


class _Executions:
    def __init__(self, core: SimulatedServer, folder: Path, environ: Mapping[str, str]) -> None:
        self._core = core
        self._folder = folder.resolve()
        self._environ = environ
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def look(self) -> None:
        for task, begins in self._core.to_execute():
            execution = asyncio.create_task(self._execute(task, begins))
            self._under_way[task.id] = execution
        for task_id, execution in list(self._under_way.items()):
            if execution.done():
                del self._under_way[task_id]
            elif self._core.is_given_up(task_id):
                execution.cancel()

    async def end(self) -> None:
        for execution in self._under_way.values():
            execution.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _execute(self, task: SimulatedTask, begins: datetime) -> None:
        own = self._folder / task.id
        places = Places.of(task.body, own / "root")
        places.root.mkdir(parents=True)
        await asyncio.sleep((begins - _now()).total_seconds())
        try:
            await asyncio.to_thread(prepare, task.body, places)
            end = await self._run_all(task, places, own)
            if end is State.COMPLETE:
                outputs = await asyncio.to_thread(collect, task.body, places)
                self._note(task.id, lambda work: replace(work, outputs=tuple(outputs)))
        except StagingFailed as failure:
            why = str(failure)
            self._note(task.id, lambda work: replace(work, trouble=why))
            end = State.SYSTEM_ERROR
        self._move(task.id, end)

    async def _run_all(self, task: SimulatedTask, places: Places, own: Path) -> State:
        environ = {**self._environ, "HOME": str(places.root)}
        for number, executor in enumerate(task.body["executors"]):
            if number and self._core.profile.queues_executors:
                self._move(task.id, State.QUEUED)
            self._move(task.id, State.RUNNING)
            result = await run(executor, places, environ, own / str(number))
            self._report(task.id, result)
            if result.exit_code and not executor.get("ignore_error"):
                return State.EXECUTOR_ERROR
        return State.COMPLETE

    def _move(self, task_id: str, state: State) -> None:
        self._core.let(task_id, lambda task: task.move(state, _now()))

    def _report(self, task_id: str, result: Result) -> None:
        self._note(task_id, lambda work: work.and_then(result))

    def _note(self, task_id: str, change: Callable[[Work], Work]) -> None:
        self._core.let(task_id, lambda task: replace(task, work=change(task.work or Work())))


def _own_environ() -> dict[str, str]:
    """No more of it than a command needs: the rest is nobody's business."""
    kept = ("PATH", "LANG", "LC_ALL")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _now() -> datetime:
    return datetime.now(UTC)
