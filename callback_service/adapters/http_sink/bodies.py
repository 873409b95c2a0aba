"""What is written in a delivery, in each of the formats (docs: the contract's `callbacks`)."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from callback_service.domain.delivery import Item
from callback_service.domain.run import Run
from callback_service.domain.sink import Format
from callback_service.domain.wording import rfc3339, worded_update

EVENT_TYPE = "org.ga4gh.tes.task.state"


class Body(NamedTuple):
    content_type: str
    text: str


def body_of(sink_format: Format, run: Run, items: Sequence[Item]) -> Body:
    """A batch takes any number of items, the other formats exactly one."""
    if sink_format is Format.BATCH:
        return Body("application/json", _json(batch(run, items)))
    (item,) = items
    if sink_format is Format.TES:
        return Body("application/json", _json(tes(item)))
    return Body("application/cloudevents+json", _json(cloud_event(run, item)))


def batch(run: Run, items: Sequence[Item]) -> dict[str, Any]:
    return {
        "run": {"id": run.id, "name": run.name},
        "updates": [worded_update(item) for item in items],
    }


def tes(item: Item) -> dict[str, Any]:
    """`tesCallbackStatus` of ga4gh/task-execution-schemas#176, and nothing besides."""
    return {"id": item.key.task_id, "state": item.update.state}


def cloud_event(run: Run, item: Item) -> dict[str, Any]:
    """A CloudEvent 1.0 in structured mode; source and id together are the same in a repeat."""
    return {
        "specversion": "1.0",
        "type": EVENT_TYPE,
        "source": f"/runs/{run.id}/servers/{item.key.server}",
        "id": f"{item.key.task_id}/{item.update.seq}",
        "subject": item.key.task_id,
        "time": rfc3339(item.update.at),
        "datacontenttype": "application/json",
        "data": worded_update(item),
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
