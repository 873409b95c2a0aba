"""Attempts and dead letters as documents."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents.task import from_key, from_update, to_key, to_update
from callback_service.domain.delivery import Answer, Attempt, DeadLetter, Item, Verdict
from callback_service.domain.states import State


def from_attempt(attempt: Attempt) -> Document:
    return {
        "run_id": attempt.run_id,
        "webhook_id": attempt.webhook_id,
        "at": attempt.at,
        "number": attempt.number,
        "updates": attempt.updates,
        "verdict": str(attempt.verdict),
        "answer": _from_answer(attempt.answer),
    }


def to_attempt(document: Mapping[str, Any]) -> Attempt:
    return Attempt(
        run_id=document["run_id"],
        webhook_id=document["webhook_id"],
        at=document["at"],
        number=document["number"],
        updates=document["updates"],
        verdict=Verdict(document["verdict"]),
        answer=_to_answer(document["answer"]),
    )


def _from_answer(answer: Answer) -> Document:
    wait = answer.retry_after
    return {
        "status": answer.status,
        "error": answer.error,
        "retry_after": None if wait is None else wait.total_seconds(),
        "latency": answer.latency,
        "body": answer.body,
    }


def _to_answer(document: Mapping[str, Any]) -> Answer:
    seconds = document["retry_after"]
    return Answer(
        status=document["status"],
        error=document["error"],
        retry_after=None if seconds is None else timedelta(seconds=seconds),
        latency=document["latency"],
        body=document["body"],
    )


def from_letter(letter: DeadLetter) -> Document:
    key, update, previous = letter.item
    return {
        # Of what it says: a worker that died after burying it buries it again, and there is one.
        "_id": f"{letter.run_id} {key} {update.seq}",
        "run_id": letter.run_id,
        **from_key(key),
        "update": from_update(update),
        "previous": str(previous),
        "reason": letter.reason,
        "at": letter.at,
    }


def to_letter(document: Mapping[str, Any]) -> DeadLetter:
    item = Item(to_key(document), to_update(document["update"]), State(document["previous"]))
    return DeadLetter(document["run_id"], item, document["reason"], document["at"])
