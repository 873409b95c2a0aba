"""TES servers as documents."""

from collections.abc import Mapping
from typing import Any

from callback_service.adapters.mongo.documents import Document
from callback_service.domain.polling import CallsBack
from callback_service.domain.server import Server


def from_server(server: Server) -> Document:
    return {
        "_id": server.key,
        "url": server.url,
        "created_at": server.created_at,
        "calls_back": str(server.calls_back),
        "is_default": server.is_default,
    }


def to_server(document: Mapping[str, Any]) -> Server:
    return Server(
        key=document["_id"],
        url=document["url"],
        created_at=document["created_at"],
        calls_back=CallsBack(document["calls_back"]),
        is_default=document["is_default"],
    )
