"""Sinks as documents. To add a sink, say here how it is kept."""

from collections.abc import Mapping
from typing import Any, Final

from callback_service.adapters.mongo.documents import Document
from callback_service.domain.sink import CwlWesSink, Format, HttpSink, NoSink, Sink, WesSink

TYPES: Final[Mapping[type[Sink], str]] = {
    NoSink: "none",
    HttpSink: "http",
    CwlWesSink: "cwl-wes",
    WesSink: "wes",
}


def from_sink(sink: Sink) -> Document:
    if isinstance(sink, CwlWesSink):
        return {"type": "cwl-wes", "target": sink.target, "wes_run_id": sink.wes_run_id}
    if isinstance(sink, NoSink):
        return {"type": "none"}
    # In pairs, for a header's name may have dots, which are no letters in a document's keys.
    headers = [{"name": name, "value": value} for name, value in sink.headers.items()]
    posted = {"url": sink.url, "headers": headers}
    if isinstance(sink, WesSink):
        return {"type": "wes", "wes_run_id": sink.wes_run_id, **posted}
    return {"type": "http", "format": str(sink.format), **posted}


def to_sink(document: Mapping[str, Any]) -> Sink:
    if document["type"] == "cwl-wes":
        return CwlWesSink(document["target"], document["wes_run_id"])
    if document["type"] == "none":
        return NoSink()
    headers = {header["name"]: header["value"] for header in document["headers"]}
    if document["type"] == "wes":
        return WesSink(document["url"], document["wes_run_id"], headers)
    return HttpSink(document["url"], Format(document["format"]), headers)
