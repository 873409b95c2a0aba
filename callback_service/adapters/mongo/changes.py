"""A change of a task as one conditional write, and whether a document shows that it was made.

Receiving and delivering write the same documents at the same time and never
wait for each other: `rev` is the condition of all that receiving writes, and
what delivering writes (`delivered`, and who is taken off `owed`) is not touched here.
"""

from collections.abc import Iterable
from typing import Any

from pymongo import InsertOne, UpdateOne

from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents.task import (
    from_beginning,
    from_task,
    from_unsettled,
    from_update,
)
from callback_service.domain.task import HISTORY_LIMIT, Task, Update
from callback_service.relay.ports import Change

Operation = InsertOne[Document] | UpdateOne


def operation(change: Change) -> Operation:
    before, after = change.before, change.after
    if before is None:
        return InsertOne(from_task(after))
    if after.rev == before.rev:
        return _repeat(before, after)
    return UpdateOne({"_id": str(after.key), "rev": before.rev}, _step(before, after))


def is_made(change: Change, stored: Task | None) -> bool:
    """Whether `stored` already is what the change was to make of it, or more.

    Then somebody else wrote the same, or the write was ours and its
    confirmation was lost. Either way the one who asked for it has not lost.
    What it set besides, and is otherwise now, may never have been written: then it has,
    and decides again on what is there, which is harmless.
    """
    if stored is None:
        return False
    return (
        set(_new_updates(change)) <= set(stored.history)
        and set(_joined(change)) <= set(stored.runs)
        and all(getattr(stored, name) == value for name, value in _other_fields(change).items())
    )


def _repeat(before: Task, after: Task) -> UpdateOne:
    """Nothing new, but written and journaled all the same.

    The write that it repeats may still be on its way to the journal, and a
    repeat must not be acknowledged before it is there. No revision is asked
    for: what was heard was heard, whatever came since.
    """
    if after.confirmed_at == before.confirmed_at:
        return UpdateOne({"_id": str(after.key)}, {"$max": _heard(after)})
    # It confirms the state that was read, and none that somebody wrote meanwhile.
    return UpdateOne(
        {"_id": str(after.key), "seq": before.seq},
        _without_empty({"$max": _heard(after) | _confirmed(after)}, _settled(after)),
    )


def _step(before: Task, after: Task) -> Document:
    change = Change(before, after)
    step = {
        "$set": {"rev": after.rev, "updated_at": after.updated_at, **_other_fields(change)},
        "$max": _heard(after),
        "$addToSet": {
            "runs": {"$each": _joined(change)},
            "quiet": {"$each": sorted(after.quiet - before.quiet)},
        },
    }
    step["$set"] |= {
        f"joined.{run_id}": at for run_id, at in after.joined.items() if run_id not in before.joined
    }
    return _without_empty(step, _move(change) if after.seq > before.seq else _no_move(change))


def _move(change: Change) -> Document:
    after = change.after
    new = [from_update(update) for update in _new_updates(change)]
    return {
        "$set": {
            "state": str(after.state),
            "seq": after.seq,
            # Everybody is owed a move, so a mark that came meanwhile is rightly overwritten.
            "owed": sorted(after.owed),
            **({"owing": True} if after.owed else {}),
            "confirmed_at": after.confirmed_at,
            **from_beginning(after),
            # Out of a state that was settled, too: then it is to be asked for again.
            **({} if after.is_settled else from_unsettled(after)),
        },
        "$push": {"history": {"$each": new, "$slice": -HISTORY_LIMIT}},
        **_settled(after),
    }


def _no_move(change: Change) -> Document:
    """The others' debts are left as they are: one may have been paid since the task was read."""
    owed = change.after.owed - (change.before.owed if change.before else frozenset())
    return {
        "$addToSet": {"owed": {"$each": sorted(owed)}},
        "$set": {"owing": True} if owed else {},
        "$max": _confirmed(change.after),
        # Only ever struck: it may have been already, since the task was read.
        **_settled(change.after),
    }


def _new_updates(change: Change) -> list[Update]:
    known = change.before.seq if change.before else 0
    return [update for update in change.after.history if update.seq > known]


def _joined(change: Change) -> list[str]:
    known: Iterable[str] = change.before.runs if change.before else ()
    return [run_id for run_id in change.after.runs if run_id not in known]


def _other_fields(change: Change) -> Document:
    """What a step sets that is neither an update nor a run that joins."""
    before, after = change.before or Task(change.after.key), change.after
    return {
        name: getattr(after, name)
        for name in ("missing_at", "is_tagged")
        if getattr(after, name) != getattr(before, name)
    }


def _heard(task: Task) -> Document:
    times = {"heard_at": task.heard_at, "accepted_at": task.accepted_at}
    return {name: at for name, at in times.items() if at}


def _settled(task: Task) -> Document:
    return {"$unset": {"unsettled": ""}} if task.is_settled else {}


def _confirmed(task: Task) -> Document:
    return {"confirmed_at": task.confirmed_at} if task.confirmed_at else {}


def _without_empty(*parts: Document) -> Document:
    """The parts of an update as one, without operators that have nothing to do."""
    whole: dict[str, dict[str, Any]] = {}
    for part in parts:
        for operator, fields in part.items():
            useful = {name: value for name, value in fields.items() if value != {"$each": []}}
            if useful:
                whole.setdefault(operator, {}).update(useful)
    return whole
