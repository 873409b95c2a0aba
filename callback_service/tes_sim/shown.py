"""A task as callers read it: by the book, and as a server does that leaves nothing out."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from callback_service.domain.states import State
from callback_service.tes_sim.commands import exit_code
from callback_service.tes_sim.submitted import READ_ONLY
from callback_service.tes_sim.task import SimulatedTask
from callback_service.tes_sim.work import Result


class View(StrEnum):
    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"


# Without what only the full view has.
_ONLY_FULL = {"content", "stdout", "stderr", "system_logs"}

_EMPTY_TASK: Mapping[str, Any] = {
    "id": "",
    "state": "UNKNOWN",
    "name": "",
    "description": "",
    "inputs": [],
    "outputs": [],
    "resources": None,
    "executors": [],
    "volumes": [],
    "tags": {},
    "logs": [],
    "creation_time": "",
}
_EMPTY_EXECUTOR: Mapping[str, Any] = {
    "image": "",
    "command": [],
    "workdir": "",
    "stdin": "",
    "stdout": "",
    "stderr": "",
    "env": {},
    "ignore_error": False,
}
_EMPTY_LOG: Mapping[str, Any] = {
    "logs": [],
    "metadata": {},
    "start_time": "",
    "end_time": "",
    "outputs": [],
    "system_logs": [],
}


def by_the_book(task: SimulatedTask, view: View, now: datetime, logs_after: float) -> Any:
    """Exactly `id` and `state` in the minimal view, and no field without a value in others."""
    shown = {"id": task.id, "state": task.state(now).value}
    if view is View.MINIMAL:
        return shown
    given = {name: value for name, value in task.body.items() if name not in READ_ONLY}
    full = given | shown | {"creation_time": _written(task.created)}
    if logs := _logs(task, now, logs_after):
        full["logs"] = logs
    return full if view is View.FULL else _basic(full)


def leaving_nothing_out(task: SimulatedTask, view: View, now: datetime, logs_after: float) -> Any:
    """Every field in every view, empty and null ones too."""
    shown = {**_EMPTY_TASK, **by_the_book(task, view, now, logs_after)}
    shown["executors"] = [{**_EMPTY_EXECUTOR, **one} for one in shown["executors"]]
    if view is not View.MINIMAL:
        shown["logs"] = [{**_EMPTY_LOG, **one} for one in shown["logs"] or [{}]]
    return shown


def _basic(task: dict[str, Any]) -> dict[str, Any]:
    def without(value: dict[str, Any]) -> dict[str, Any]:
        return {name: one for name, one in value.items() if name not in _ONLY_FULL}

    basic = dict(task)
    if "inputs" in task:
        basic["inputs"] = [without(one) for one in task["inputs"] or []]
    if "logs" in task:
        basic["logs"] = [
            without(log) | {"logs": [without(one) for one in log["logs"]]} for log in task["logs"]
        ]
    return basic


def _logs(task: SimulatedTask, now: datetime, after: float) -> list[dict[str, Any]]:
    """From when it first ran; the ends are told `after` seconds later than they were."""
    history = task.history(now)
    started = next((move.at for move in history if move.state is State.RUNNING), None)
    if started is None:
        return []
    log: dict[str, Any] = {"logs": [], "outputs": [], "start_time": _written(started)}
    ended = task.stopped_at or task.ended_at(now)
    if ended and (now - ended).total_seconds() >= after:
        log["end_time"] = _written(ended)
        log["logs"] = [_result(result) for result in _results(task, started, ended)]
        log["system_logs"] = [f"{task.id} ended as {history[-1].state}"]
        if task.work:
            log["outputs"] = [dict(output) for output in task.work.outputs]
            log["system_logs"] += filter(None, [task.work.trouble])
    return [log]


def _results(task: SimulatedTask, started: datetime, ended: datetime) -> Iterable[Result]:
    if task.work is not None:
        return task.work.results
    codes = map(exit_code, task.body["executors"])
    return [Result(started, ended, code, "", "") for code in codes]


def _result(result: Result) -> dict[str, Any]:
    return {
        "start_time": _written(result.started),
        "end_time": _written(result.ended),
        "exit_code": result.exit_code,
        "stdout": result.stdout,
        "stderr": result.stderr,
    }


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
