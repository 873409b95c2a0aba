"""Tasks as documents."""

from collections.abc import Mapping
from typing import Any

from callback_service.adapters.mongo.documents import Document
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey, Update


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
    }


def to_update(document: Mapping[str, Any]) -> Update:
    return Update(
        seq=document["seq"],
        state=State(document["state"]),
        at=document["at"],
        source=Source(document["source"]),
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
        "rev": task.rev,
        "updated_at": task.updated_at,
        "heard_at": task.heard_at,
        "confirmed_at": task.confirmed_at,
    }


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
    )
