"""Bodies of the contract as values of the domain."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from callback_service.domain.errors import InvalidInput
from callback_service.domain.polling import CallsBack
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import Rewind
from callback_service.domain.server import Access
from callback_service.domain.sink import CwlWesSink, Format, HttpSink, NoSink, Sink, WesSink
from callback_service.entrypoints.api.reasons import A_TIME
from callback_service.relay.register import NamedTask, Registration

# The fields of a sink besides `type`, and the types that have each.
_TYPES_OF_FIELD = {
    "url": ("http", "wes"),
    "format": ("http",),
    "headers": ("http", "wes"),
    "target": ("cwl-wes",),
    "wes_run_id": ("wes", "cwl-wes"),
}
_NEEDED = {
    "http": ("url",),
    "wes": ("url", "wes_run_id"),
    "cwl-wes": ("target", "wes_run_id"),
    "none": (),
}


def read_registration(body: Mapping[str, Any]) -> Registration:
    given: dict[str, Any] = {}
    if "expires_in" in body:
        given["lifetime"] = timedelta(seconds=body["expires_in"])
    return Registration(
        name=body.get("name", ""),
        server=body.get("server"),
        tasks=read_tasks(body.get("tasks", ())),
        **_read_fields(body),
        **given,
    )


def read_change(body: Mapping[str, Any]) -> tuple[dict[str, Any], timedelta | None]:
    """The fields to set, and the run's new lifetime from now, if any."""
    fields = _read_fields(body)
    if "name" in body:
        fields["name"] = body["name"]
    expires_in = body.get("expires_in")
    return fields, None if expires_in is None else timedelta(seconds=expires_in)


def read_tasks(tasks: Iterable[Mapping[str, Any]]) -> tuple[NamedTask, ...]:
    return tuple(NamedTask(task["id"], task.get("server")) for task in tasks)


def read_rewind(body: Mapping[str, Any]) -> Rewind:
    tasks = body.get("tasks")
    return Rewind(
        since=_read_time("since", body["since"]) if "since" in body else None,
        task_ids=None if tasks is None else tuple(tasks),
    )


def read_server(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a server, but for its name."""
    fields: dict[str, Any] = {name: body[name] for name in ("url", "credentials") if name in body}
    if "calls_back" in body:
        fields["calls_back"] = CallsBack(body["calls_back"])
    if "access" in body:
        fields["access"] = Access(body["access"])
    if "default" in body:
        fields["is_default"] = body["default"]
    return fields


def _read_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "tags" in body:
        fields["tags"] = _read_tags(body["tags"])
    if "sink" in body:
        fields["sink"] = _read_sink(body["sink"])
    if "retry_schedule" in body:
        fields["retry"] = RetryPolicy(tuple(float(delay) for delay in body["retry_schedule"]))
    return fields


def _read_tags(tags: Mapping[str, str]) -> dict[str, str]:
    # OpenAPI 3.0 cannot say what the keys of an object look like.
    for key in tags:
        if not 1 <= len(key) <= 128 or not key.isprintable():
            raise InvalidInput("tags", "keys must be 1 to 128 printable characters")
    return dict(tags)


def _read_sink(sink: Mapping[str, Any]) -> Sink:
    wanted = sink["type"]
    for name, types in _TYPES_OF_FIELD.items():
        if name in sink and wanted not in types:
            raise InvalidInput(f"sink.{name}", f"belongs to a sink of type {' or '.join(types)}")
    for name in _NEEDED[wanted]:
        if name not in sink:
            raise InvalidInput(f"sink.{name}", "is missing")
    if wanted == "none":
        return NoSink()
    if wanted == "cwl-wes":
        return CwlWesSink(sink["target"], sink["wes_run_id"])
    headers = dict(sink.get("headers", {}))
    if wanted == "wes":
        return WesSink(sink["url"], sink["wes_run_id"], headers)
    return HttpSink(sink["url"], Format(sink.get("format", "batch")), headers)


def _read_time(field: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 1970 <= at.year <= 9998:
        raise InvalidInput(field, A_TIME)
    return at.astimezone(UTC)
