"""Sinks as documents. To add a sink, say here how it is kept."""

from collections.abc import Mapping
from typing import Any

from callback_service.adapters.mongo.documents import Document
from callback_service.domain.sink import CwlWesSink, Format, HttpSink, NoSink, Sink


def from_sink(sink: Sink) -> Document:
    if isinstance(sink, HttpSink):
        # In pairs, for a header's name may have dots, which are no letters in a document's keys.
        headers = [{"name": name, "value": value} for name, value in sink.headers.items()]
        return {"type": "http", "url": sink.url, "format": str(sink.format), "headers": headers}
    if isinstance(sink, CwlWesSink):
        return {"type": "cwl-wes", "target": sink.target, "wes_run_id": sink.wes_run_id}
    return {"type": "none"}


def to_sink(document: Mapping[str, Any]) -> Sink:
    if document["type"] == "http":
        headers = {header["name"]: header["value"] for header in document["headers"]}
        return HttpSink(document["url"], Format(document["format"]), headers)
    if document["type"] == "cwl-wes":
        return CwlWesSink(document["target"], document["wes_run_id"])
    return NoSink()
