"""`/_sim/…`: how tests in other processes look behind the simulated server, and steer it."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from callback_service.tes_sim.core import SimulatedServer
from callback_service.tes_sim.faults import Faults
from callback_service.tes_sim.journal import Asked
from callback_service.tes_sim.reply import Reply, json_reply
from callback_service.tes_sim.task import SimulatedTask

PREFIX = "/_sim/"

Do = Callable[[SimulatedServer, dict[str, Any], datetime], Any]


def steer(core: SimulatedServer, method: str, path: str, body: bytes, now: datetime) -> Reply:
    what, _, task_id = path.removeprefix(PREFIX).partition("/")
    if (method, what) == ("DELETE", "tasks") and task_id:
        core.forget(unquote(task_id))
        return json_reply({})
    do = _KNOWN.get((method, what))
    if not do or task_id:
        return json_reply({"error": f"known are {_known()}"}, 404)
    try:
        return json_reply(do(core, _object(body), now))
    except (ValueError, TypeError, OverflowError) as error:
        return json_reply({"error": str(error)}, 400)


def _object(body: bytes) -> dict[str, Any]:
    given = json.loads(body or b"{}")
    if not isinstance(given, dict):
        raise TypeError("the body is not a JSON object")
    return given


def _requests(core: SimulatedServer, _: Any, __: datetime) -> Any:
    journal = core.journal
    return {
        "total": journal.total,
        "counts": journal.counts,
        "requests": [_shown_request(asked) for asked in journal.requests],
    }


def _clear(core: SimulatedServer, _: Any, __: datetime) -> Any:
    core.journal.clear()
    return {}


def _tasks(core: SimulatedServer, _: Any, now: datetime) -> Any:
    return {
        "tasks": [_shown_task(task, now) for task in core.tasks()],
        "restarts": core.restarts,
        "lost_callbacks": core.lost_callbacks,
    }


def _faults(core: SimulatedServer, given: dict[str, Any], now: datetime) -> Any:
    core.set_faults(Faults.read(given), now)
    return {}


def _restart(core: SimulatedServer, given: dict[str, Any], now: datetime) -> Any:
    """`{"down": SECONDS, "forget": false}`."""
    core.restart(now, float(given.get("down", 0)), forget=bool(given.get("forget")))
    return {}


_KNOWN: dict[tuple[str, str], Do] = {
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _clear,
    ("GET", "tasks"): _tasks,
    ("POST", "faults"): _faults,
    ("POST", "restart"): _restart,
}


def _known() -> str:
    return ", ".join(f"{method} {PREFIX}{what}" for method, what in _KNOWN)


def _shown_request(asked: Asked) -> Any:
    return {
        "at": asked.at.isoformat(),
        "method": asked.method,
        "path": asked.path,
        "query": asked.query,
        "operation": asked.operation,
        "status": asked.status,
    }


def _shown_task(task: SimulatedTask, now: datetime) -> Any:
    return {
        "id": task.id,
        "name": task.body.get("name", ""),
        "state": task.state(now),
        "history": [{"state": move.state, "at": move.at.isoformat()} for move in task.history(now)],
    }
