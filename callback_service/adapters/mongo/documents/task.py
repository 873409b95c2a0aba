"""Tasks as documents."""

from collections.abc import Mapping
from typing import Any, Final

from callback_service.adapters.mongo.documents import Document
from callback_service.domain.freshness import Unsettled, outlined
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey, Update

# All of a task that asking its server needs: its history and its runs stay where they are.
OUTLINE: Final = (
    *("owner", "server", "task_id", "state", "seq", "began_at"),
    *("updated_at", "heard_at", "confirmed_at", "missing_at", "is_tagged"),
)


def from_key(key: TaskKey) -> Document:
    return {"owner": key.owner, "server": key.server, "task_id": key.task_id}


def to_key(document: Mapping[str, Any]) -> TaskKey:
    return TaskKey(document["owner"], document["server"], document["task_id"])


def from_update(update: Update) -> Document:
    return {
        "seq": update.seq,
        "state": str(update.state),
        "at": update.at,
        "source": str(update.source),
        # Few have one.
        **({"reason": update.reason} if update.reason else {}),
    }


def to_update(document: Mapping[str, Any]) -> Update:
    return Update(
        seq=document["seq"],
        state=State(document["state"]),
        at=document["at"],
        source=Source(document["source"]),
        reason=document.get("reason"),
    )


def from_task(task: Task) -> Document:
    return {
        "_id": str(task.key),
        **from_key(task.key),
        "state": str(task.state),
        "seq": task.seq,
        "history": [from_update(update) for update in task.history],
        "runs": list(task.runs),
        "quiet": sorted(task.quiet),
        "joined": dict(task.joined),
        "delivered": dict(task.delivered),
        "owed": sorted(task.owed),
        # Set with a debt, struck some time after its end: few tasks have it, so it is
        # what the sweeper looks for. An index on `owed` holds every task there is.
        **({"owing": True} if task.owed else {}),
        # In the same way: few of all tasks are still to be asked for.
        **({} if task.is_settled else from_unsettled(task)),
        **from_beginning(task),
        "rev": task.rev,
        "updated_at": task.updated_at,
        "heard_at": task.heard_at,
        "confirmed_at": task.confirmed_at,
        "missing_at": task.missing_at,
        "accepted_at": task.accepted_at,
        "is_tagged": task.is_tagged,
    }


def from_unsettled(task: Task) -> Document:
    """The mark of a task that its server is to be asked for."""
    return {"unsettled": task.key.server}


def from_beginning(task: Task) -> Document:
    """The time of the first update, beside the history, so that it is read without it."""
    return {"began_at": outlined(task).began_at}


def to_task(document: Mapping[str, Any]) -> Task:
    return Task(
        key=to_key(document),
        state=State(document["state"]),
        seq=document["seq"],
        history=tuple(to_update(update) for update in document["history"]),
        runs=tuple(document["runs"]),
        quiet=frozenset(document["quiet"]),
        joined=document["joined"],
        delivered=document["delivered"],
        owed=frozenset(document["owed"]),
        rev=document["rev"],
        updated_at=document["updated_at"],
        heard_at=document["heard_at"],
        confirmed_at=document["confirmed_at"],
        # Documents of before there were these have none of them.
        missing_at=document.get("missing_at"),
        accepted_at=document.get("accepted_at"),
        is_tagged=document.get("is_tagged", False),
    )


def to_unsettled(document: Mapping[str, Any]) -> Unsettled:
    return Unsettled(
        key=to_key(document),
        state=State(document["state"]),
        seq=document["seq"],
        began_at=document.get("began_at"),
        updated_at=document["updated_at"],
        heard_at=document["heard_at"],
        confirmed_at=document["confirmed_at"],
        missing_at=document.get("missing_at"),
        is_tagged=document.get("is_tagged", False),
    )
