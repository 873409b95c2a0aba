"""What became of requests, as documents."""

from collections.abc import Mapping
from typing import Any

from callback_service.adapters.mongo.documents import Document
from callback_service.domain.outcome import Outcome


def from_outcome(outcome: Outcome) -> Document:
    """Without its id and without the ranks that were answered with it (`taken`)."""
    return {
        "digest": outcome.digest,
        "rank": outcome.rank,
        "at": outcome.at,
        "status": outcome.status,
        "body": outcome.body,
        "content_type": outcome.content_type,
    }


def to_outcome(document: Mapping[str, Any]) -> Outcome:
    return Outcome(
        id=document["_id"],
        digest=document["digest"],
        rank=document["rank"],
        at=document["at"],
        status=document["status"],
        body=document["body"],
        content_type=document["content_type"],
    )
