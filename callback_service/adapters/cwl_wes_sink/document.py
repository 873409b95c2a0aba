"""The run document of cwl-WES, and the writes that bring news into it.

cwl-WES writes it at the same time, unconditionally: it pushes a task's whole log when it first
sees the task, sets the state of the first log with the task's id when it sees it move, and puts
all logs anew when the run has completed. So each of our writes is one atomic step that holds only
if it still makes sense, touches nothing but what it is for, and can be repeated.

How far each task was told stands in a field of our own, `callback_service.told`, in the same
document, or else a late write could not be refused in the same step. cwl-WES hands out `api` only,
and writes field by field: it neither shows that field nor loses it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pymongo import UpdateOne

from callback_service.adapters.cwl_wes_sink.news import News
from callback_service.domain.states import FINAL, State

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
    "callback_service.told": True,
}


def lost_because(document: Document | None, wes_run_id: str) -> str | None:
    """Why nothing can be told any more; None where it can."""
    if document is None:
        return f"cwl-WES has no run {wes_run_id}"
    state = _api(document).get("state")
    return f"the run {wes_run_id} has ended at cwl-WES: {state}" if state in FINISHED else None


def changes(document: Document, news: Iterable[News]) -> list[UpdateOne]:
    """The writes, in their order, that bring the document up to the news; none where it is."""
    told = (document.get("callback_service") or {}).get("told") or {}
    logs = _logs_by_task(document)
    writes = [
        write
        for one in news
        if told.get(one.mark, 0) <= one.seq
        for write in _bring(document, one, logs.get(one.task_id, ()), told.get(one.mark, 0))
    ]
    if _api(document).get("state") in _WAITING:
        # It has tasks, so its engine runs.
        is_waiting = {"_id": document["_id"], "api.state": {"$in": _WAITING}}
        writes.insert(0, UpdateOne(is_waiting, {"$set": {"api.state": "RUNNING"}}))
    return writes


def _bring(
    document: Document, news: News, logs: Sequence[Document], told: int
) -> Iterator[UpdateOne]:
    if not logs:
        yield _push(document, news)
        # Where cwl-WES has pushed its own since the document was read, ours was not.
        yield _set(document, news)
        return
    movable = [log for log in logs if news.may_replace(log.get("state"))]
    if movable and (told < news.seq or any(log.get("state") != news.state for log in movable)):
        yield _set(document, news)
    if len(movable) == len(logs) and len({_WHOLE in log for log in logs}) > 1:
        yield _tidy(document, news)


def _push(document: Document, news: News) -> UpdateOne:
    there_is_none = {f"{_LOGS}.id": {"$ne": news.task_id}}
    log = {"id": news.task_id, "state": str(news.state)}
    return UpdateOne(
        _still_open(document, news) | there_is_none, {"$push": {_LOGS: log}, "$set": _told(news)}
    )


def _set(document: Document, news: News) -> UpdateOne:
    """In all logs of the task, of which there may be two for a while.

    Named by what they are, not by the positional `$`: of two it would mean one, and
    some MongoDB-compatible engines do not find it in nested arrays at all.
    """
    ends = [] if news.may_replace(State.COMPLETE) else _ENDS
    fitting = {"id": news.task_id, "state": {"$nin": ends}}
    return UpdateOne(
        _still_open(document, news) | {_LOGS: {"$elemMatch": fitting}},
        {"$set": {f"{_LOGS}.$[log].state": str(news.state), **_told(news)}},
        array_filters=[{f"log.{name}": condition for name, condition in fitting.items()}],
    )


def _tidy(document: Document, news: News) -> UpdateOne:
    """Take our short log away where cwl-WES has pushed the whole one beside it.

    Only while both say the same: cwl-WES sets the state of the first one, which is ours.
    """
    alike = {"id": news.task_id, "state": str(news.state)}
    return UpdateOne(
        _still_open(document, news) | {_LOGS: {"$elemMatch": {**alike, _WHOLE: {"$exists": True}}}},
        {"$pull": {_LOGS: {**alike, _WHOLE: {"$exists": False}}}},
    )


def _still_open(document: Document, news: News) -> dict[str, Any]:
    return {
        "_id": document["_id"],
        "api.state": {"$nin": FINISHED},
        f"callback_service.told.{news.mark}": {"$not": {"$gt": news.seq}},
    }


def _told(news: News) -> dict[str, int]:
    return {f"callback_service.told.{news.mark}": news.seq}


def _api(document: Document) -> Document:
    return document.get("api") or {}


def _logs_by_task(document: Document) -> dict[Any, list[Document]]:
    logs: dict[Any, list[Document]] = {}
    for log in _api(document).get("task_logs") or ():
        # cwl-WES pushes an empty one where the TES server did not answer it.
        if log and "id" in log:
            logs.setdefault(log["id"], []).append(log)
    return logs
