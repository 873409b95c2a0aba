"""`/v1/runs/{run_id}/updates`: at once, after waiting, or as a stream of server-sent events."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Response, request

from callback_service.domain.errors import ServiceError
from callback_service.domain.run import Run
from callback_service.domain.wording import worded_update
from callback_service.entrypoints.access import Role, caller, needs
from callback_service.entrypoints.api.services import services
from callback_service.relay.updates import Page, Reader

EVENT_STREAM = "text/event-stream"


@needs(Role.READ)
def list_run_updates(
    run_id: str, page_size: int, wait: float, after: str | None = None
) -> dict[str, Any] | Response:
    run = services().registrar.find(caller().owner, run_id)
    reader = services().reader
    if _wants_stream():
        return _stream(reader, run, request.headers.get("Last-Event-ID") or after, page_size)
    page = reader.updates(run, after, page_size, wait)
    return {"updates": [worded_update(item) for item in page.items], "cursor": page.cursor}


def _wants_stream() -> bool:
    return request.accept_mimetypes.best_match(["application/json", EVENT_STREAM]) == EVENT_STREAM


def _stream(reader: Reader, run: Run, cursor: str | None, page_size: int) -> Response:
    # The first page is read before the answer begins: an error can still be a problem then.
    first = reader.updates(run, cursor, page_size)
    events = _events(first, reader.stream(run, first.cursor, page_size))
    # Proxies that buffer would hold events back.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(events, mimetype=EVENT_STREAM, headers=headers)


def _events(first: Page, pages: Iterator[Page]) -> Iterator[str]:
    yield _written(first)
    try:
        for page in pages:
            yield _written(page)
    except ServiceError:
        # The answer has begun: all that can be said is its end. The client comes back.
        return


def _written(page: Page) -> str:
    """The page's events; the cursor is that of the last one, so that a page is repeated whole."""
    events = [f"event: update\ndata: {json.dumps(worded_update(item))}\n" for item in page.items]
    if not events:
        return ": still here\n\n"
    events[-1] = f"id: {page.cursor}\n{events[-1]}"
    return "\n".join(events) + "\n"
