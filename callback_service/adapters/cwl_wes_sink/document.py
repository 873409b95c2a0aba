"""The run document of cwl-WES, and the writes that bring news into it.

cwl-WES writes it at the same time, unconditionally: it pushes a task's whole log when it first
sees the task, sets the state of the first log with the task's id when it sees it move, and puts
all logs anew when the run has completed. So each of our writes is one atomic step that holds only
if it still makes sense, touches nothing but what it is for, and can be repeated.

How far each task was told stands in a field of our own, `callback_service.told`, in the same
document, or else a late write could not be refused in the same step. cwl-WES hands out `api` only,
and writes field by field: it neither shows that field nor loses it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import UpdateOne

from callback_service.adapters.cwl_wes_sink.news import News
from callback_service.domain.states import FINAL, State
from callback_service.domain.stuck import WesRun

Document = Mapping[str, Any]

# `PREEMPTED` is WES 1.1; cwl-WES does not know it yet.
FINISHED = ("COMPLETE", "CANCELED", "EXECUTOR_ERROR", "SYSTEM_ERROR", "PREEMPTED")
_WAITING = ("QUEUED", "INITIALIZING")
_ENDS = sorted(FINAL)
_LOGS = "api.task_logs"
# Whole logs have it, as every TES task must; what we push has not.
_WHOLE = "executors"

# Of the logs no more than is decided on: they may be long.
FIELDS = {
    "api.state": True,
    f"{_LOGS}.id": True,
    f"{_LOGS}.state": True,
    f"{_LOGS}.{_WHOLE}.image": True,
    "internal.task_finished": True,
    "callback_service": True,
}


def lost_because(document: Document | None, wes_run_id: str) -> str | None:
    """Why nothing can be told any more; None where it can."""
    if document is None:
        return f"cwl-WES has no run {wes_run_id}"
    state = _api(document).get("state")
    return f"the run {wes_run_id} has ended at cwl-WES: {state}" if state in FINISHED else None


def failed(wes_run_id: str, failure: Document) -> tuple[Document, Document]:
    """The condition and the change by which a run is marked as failed."""
    still_open = {"run_id": wes_run_id, "api.state": {"$nin": FINISHED}}
    return still_open, {
        "$set": {"api.state": "SYSTEM_ERROR", "callback_service.failed": dict(failure)}
    }


def failure_of(document: Document | None) -> Any:
    """The id of what has marked the run as failed, if that is how it stands."""
    if document is None or _api(document).get("state") != "SYSTEM_ERROR":
        return None
    return ((document.get("callback_service") or {}).get("failed") or {}).get("id")


def standing(document: Document) -> WesRun:
    api = _api(document)
    logs = [log for log in api.get("task_logs") or () if log]
    return WesRun(
        state=str(api.get("state")),
        is_over=api.get("state") in FINISHED,
        open_tasks=sum(log.get("state") not in _ENDS for log in logs),
        # The first thing that cwl-WES writes when its engine has ended; the state is the last.
        was_completing="task_finished" in (document.get("internal") or {}),
    )


def changes(document: Document, news: Iterable[News]) -> list[UpdateOne]:
    """The writes, in their order, that bring the document up to the news; none where it is.

    Each is for many tasks, for each costs the engine a whole document. What holds no longer for
    one of them is then not done for any, and decided anew on what is there.
    """
    told = (document.get("callback_service") or {}).get("told") or {}
    current = [one for one in news if told.get(one.mark, 0) <= one.seq]
    logs = _logs_by_task(document)
    new = [one for one in current if one.task_id not in logs]
    known = [one for one in current if one.task_id in logs]
    moved = [one for one in known if _is_to_move(one, logs[one.task_id], told.get(one.mark, 0))]
    doubled = [one for one in known if _is_to_tidy(one, logs[one.task_id])]
    return [
        *([_begin(document)] if _api(document).get("state") in _WAITING else ()),
        *([_push(document, new)] if new else ()),
        *(_set(document, group) for group in _alike(moved)),
        *(_tidy(document, group) for group in _alike(doubled)),
    ]


def _is_to_move(news: News, logs: Iterable[Document], told: int) -> bool:
    movable = [log for log in logs if news.may_replace(log.get("state"))]
    is_behind = any(log.get("state") != news.state for log in movable)
    return bool(movable) and (told < news.seq or is_behind)


def _is_to_tidy(news: News, logs: Sequence[Document]) -> bool:
    is_doubled = len({_WHOLE in log for log in logs}) > 1
    return is_doubled and all(news.may_replace(log.get("state")) for log in logs)


def _alike(news: Iterable[News]) -> list[list[News]]:
    """Those that go to the same state, and may replace the same ones."""
    groups: dict[tuple[State, bool], list[News]] = {}
    for one in news:
        groups.setdefault((one.state, one.may_replace(State.COMPLETE)), []).append(one)
    return list(groups.values())


def _begin(document: Document) -> UpdateOne:
    """It has tasks, so its engine runs."""
    is_waiting = {"_id": document["_id"], "api.state": {"$in": _WAITING}}
    return UpdateOne(is_waiting, {"$set": {"api.state": "RUNNING"}})


def _push(document: Document, news: Sequence[News]) -> UpdateOne:
    there_is_none = {f"{_LOGS}.id": {"$nin": _task_ids(news)}}
    logs = [{"id": one.task_id, "state": str(one.state)} for one in news]
    return UpdateOne(
        _still_open(document, news) | there_is_none,
        {"$push": {_LOGS: {"$each": logs}}, "$set": _told(news)},
    )


def _set(document: Document, news: Sequence[News]) -> UpdateOne:
    """In all logs of each task, of which there may be two for a while.

    Named by what they are, not by the positional `$`: of two it would mean one, and
    some MongoDB-compatible engines do not find it in nested arrays at all.
    """
    ends = [] if news[0].may_replace(State.COMPLETE) else _ENDS
    return UpdateOne(
        _still_open(document, news),
        {"$set": {f"{_LOGS}.$[log].state": str(news[0].state), **_told(news)}},
        array_filters=[{"log.id": {"$in": _task_ids(news)}, "log.state": {"$nin": ends}}],
    )


def _tidy(document: Document, news: Sequence[News]) -> UpdateOne:
    """Take our short logs away where cwl-WES has pushed the whole ones beside them.

    But no log whose state cwl-WES has set since: it sets that of the first one, which is ours,
    and what it knows then is in no other.
    """
    ours = {"id": {"$in": _task_ids(news)}, "state": str(news[0].state), _WHOLE: {"$exists": False}}
    return UpdateOne(_still_open(document, news), {"$pull": {_LOGS: ours}})


def _still_open(document: Document, news: Iterable[News]) -> dict[str, Any]:
    nothing_newer = {_mark(one): {"$not": {"$gt": one.seq}} for one in news}
    return {"_id": document["_id"], "api.state": {"$nin": FINISHED}, **nothing_newer}


def _told(news: Iterable[News]) -> dict[str, int]:
    return {_mark(one): one.seq for one in news}


def _mark(news: News) -> str:
    return f"callback_service.told.{news.mark}"


def _task_ids(news: Iterable[News]) -> list[str]:
    return [one.task_id for one in news]


def _api(document: Document) -> Document:
    return document.get("api") or {}


def _logs_by_task(document: Document) -> dict[Any, list[Document]]:
    logs: dict[Any, list[Document]] = {}
    for log in _api(document).get("task_logs") or ():
        # cwl-WES pushes an empty one where the TES server did not answer it.
        if log and "id" in log:
            logs.setdefault(log["id"], []).append(log)
    return logs
