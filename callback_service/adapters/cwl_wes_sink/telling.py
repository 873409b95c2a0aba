"""Telling a run document: read, decide, write; and again where cwl-WES came between."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pymongo.collection import Collection

from callback_service.adapters.cwl_wes_sink.document import (
    FIELDS,
    changes,
    failed,
    failure_of,
    lost_because,
)
from callback_service.adapters.cwl_wes_sink.news import News

# cwl-WES writes a run a few times a second at the most.
_ROUNDS = 10


class RunLost(Exception):
    """There is no run any more that could be told; the text says why."""


@dataclass(frozen=True, slots=True)
class Failure:
    """That a run is given up; `id` is the same in a repeat."""

    id: str
    by: str
    reason: str
    at: datetime


class Contended(Exception):
    """Others write the document all the time."""


def tell(runs: Collection[dict[str, Any]], wes_run_id: str, news: Sequence[News]) -> None:
    """Bring a run's document up to the news. Raises `RunLost`, `Contended` or `PyMongoError`."""
    for _ in range(_ROUNDS):
        document = runs.find_one({"run_id": wes_run_id}, FIELDS)
        reason = lost_because(document, wes_run_id)
        if document is None or reason:
            raise RunLost(reason)
        writes = changes(document, news)
        if not writes or runs.bulk_write(writes).matched_count == len(writes):
            return
    raise Contended


def fail(runs: Collection[dict[str, Any]], wes_run_id: str, failure: Failure) -> None:
    """Mark a run as failed where it still goes on. Raises as `tell` does.

    One write that holds only then: an end that cwl-WES sets before it stays, and one that it sets
    after it replaces ours, for cwl-WES looks at nothing.
    """
    for _ in range(_ROUNDS):
        if runs.update_one(*failed(wes_run_id, asdict(failure))).matched_count:
            return
        document = runs.find_one({"run_id": wes_run_id}, FIELDS)
        if failure_of(document) == failure.id:
            return
        if reason := lost_because(document, wes_run_id):
            raise RunLost(reason)
    raise Contended
