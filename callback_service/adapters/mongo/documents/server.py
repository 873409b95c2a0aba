"""TES servers as documents."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from callback_service.adapters.mongo.documents import Document
from callback_service.domain.polling import CallsBack, Filters, Polling
from callback_service.domain.server import Access, Server

_WORDS = {"filters": Filters, "learnt": CallsBack}


def from_server(server: Server) -> Document:
    return {
        "_id": server.key,
        **from_registration(server),
        "polling": from_polling(server.polling),
    }


def from_registration(server: Server) -> Document:
    """What an operator says of a server: all but its name, and what was learnt by polling it."""
    return {
        "url": server.url,
        "created_at": server.created_at,
        "calls_back": str(server.calls_back),
        "is_default": server.is_default,
        "access": str(server.access),
        "credentials": server.credentials,
    }


def to_server(document: Mapping[str, Any]) -> Server:
    return Server(
        key=document["_id"],
        url=document["url"],
        created_at=document["created_at"],
        calls_back=CallsBack(document["calls_back"]),
        is_default=document["is_default"],
        # Documents of before servers were asked have none of these.
        access=Access(document.get("access", Access.TOKEN)),
        credentials=document.get("credentials"),
        polling=to_polling(document.get("polling", {})),
    )


def from_polling(polling: Polling) -> Document:
    values = {field.name: getattr(polling, field.name) for field in fields(polling)}
    return {name: str(value) if name in _WORDS else value for name, value in values.items()}


def to_polling(document: Mapping[str, Any]) -> Polling:
    """What it does not say is as it is at first: a claim may have been all that was written."""
    words = {name: word(document[name]) for name, word in _WORDS.items() if name in document}
    return Polling(**{**document, **words})
