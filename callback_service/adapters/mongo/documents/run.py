"""Runs as documents."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from callback_service.adapters.mongo.documents import Document
from callback_service.adapters.mongo.documents.sink import from_sink, to_sink
from callback_service.adapters.mongo.documents.task import from_key, to_key
from callback_service.domain.capability import Capability
from callback_service.domain.delivery import Span
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import Failing, Lease, Rewind, Run, RunStatus


def from_span(span: Span) -> Document:
    return {**from_key(span.key), "first": span.first, "last": span.last}


def to_span(document: Mapping[str, Any]) -> Span:
    return Span(to_key(document), document["first"], document["last"])


def from_spans(spans: Iterable[Span]) -> list[Document]:
    return [from_span(span) for span in spans]


def from_lease(lease: Lease) -> Document:
    return {"generation": lease.generation, "holder": lease.holder, "until": lease.until}


def to_lease(document: Mapping[str, Any]) -> Lease:
    # Without `knocked`, which is between the one who knocks and the one who closes.
    return Lease(document["generation"], document["holder"], document["until"])


def from_rewind(rewind: Rewind | None) -> Document | None:
    if rewind is None:
        return None
    task_ids = None if rewind.task_ids is None else list(rewind.task_ids)
    # `asked` is what an index can find.
    return {"asked": True, "since": rewind.since, "task_ids": task_ids}


def to_rewind(document: Mapping[str, Any] | None) -> Rewind | None:
    if document is None:
        return None
    task_ids = document["task_ids"]
    return Rewind(document["since"], None if task_ids is None else tuple(task_ids))


def from_failing(failing: Failing | None) -> Document | None:
    if failing is None:
        return None
    # `asked` is what an index can find.
    return {"asked": True, "by": failing.by, "at": failing.at, "reason": failing.reason}


def to_failing(document: Mapping[str, Any] | None) -> Failing | None:
    return Failing(document["by"], document["at"], document["reason"]) if document else None


def from_tags(tags: Mapping[str, str]) -> list[Document]:
    """In pairs, for a tag's key may have dots, which are no letters in a document's keys."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def _to_tags(document: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in document}


def _from_capabilities(held: Iterable[Capability]) -> list[Document]:
    return [{"value": one.value, "expires_at": one.expires_at} for one in held]


def _to_capabilities(document: Iterable[Mapping[str, Any]]) -> tuple[Capability, ...]:
    return tuple(Capability(one["value"], one["expires_at"]) for one in document)


def _from_retry(retry: RetryPolicy) -> list[float]:
    return list(retry.schedule)


def _same(value: Any) -> Any:
    return value


# How each field is kept; what may be changed one by one goes through the same table.
_KEPT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "owner": _same,
    "server": _same,
    "created_at": _same,
    "expires_at": _same,
    "name": _same,
    "tags": from_tags,
    "sink": from_sink,
    "secrets": _from_capabilities,
    "tokens": _from_capabilities,
    "status": str,
    "retry": _from_retry,
    "failures": _same,
    "next_attempt_at": _same,
    "lease": from_lease,
    "batch": from_spans,
    "rewind": from_rewind,
    "failing": from_failing,
    "last_delivery_at": _same,
    "last_error": _same,
}


def from_fields(fields: Mapping[str, object]) -> Document:
    """Some fields of a `Run`, by their names there."""
    return {name: _KEPT[name](value) for name, value in fields.items()}


def from_run(run: Run) -> Document:
    return {"_id": run.id, **from_fields({name: getattr(run, name) for name in _KEPT})}


def to_run(document: Mapping[str, Any]) -> Run:
    return Run(
        id=document["_id"],
        owner=document["owner"],
        server=document["server"],
        created_at=document["created_at"],
        expires_at=document["expires_at"],
        name=document["name"],
        tags=_to_tags(document["tags"]),
        sink=to_sink(document["sink"]),
        secrets=_to_capabilities(document["secrets"]),
        tokens=_to_capabilities(document["tokens"]),
        status=RunStatus(document["status"]),
        retry=RetryPolicy(tuple(document["retry"])),
        failures=document["failures"],
        next_attempt_at=document["next_attempt_at"],
        lease=to_lease(document["lease"]),
        batch=tuple(to_span(span) for span in document["batch"]),
        rewind=to_rewind(document["rewind"]),
        # Runs that were kept by an earlier version have none.
        failing=to_failing(document.get("failing")),
        last_delivery_at=document["last_delivery_at"],
        last_error=document["last_error"],
    )
