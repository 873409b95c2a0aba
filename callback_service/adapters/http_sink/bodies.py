"""What is written in a delivery, in each of the formats (docs: the contract's `callbacks`)."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from callback_service.domain.delivery import Item
from callback_service.domain.run import Run
from callback_service.domain.sink import Format, HttpSink, Sink, WesSink
from callback_service.domain.states import State
from callback_service.domain.wording import rfc3339, worded_update

EVENT_TYPE = "org.ga4gh.tes.task.state"


class Body(NamedTuple):
    content_type: str
    text: str


def news_for(sink: Sink, run: Run, items: Sequence[Item]) -> Body:
    if isinstance(sink, WesSink):
        return wes_status(sink, items)
    if isinstance(sink, HttpSink):
        return body_of(sink.format, run, items)
    raise TypeError(f"nothing is posted to a {type(sink).__name__}")


def failure_for(sink: Sink) -> Body:
    """That the run behind it has failed."""
    if isinstance(sink, WesSink):
        return _wes_body(sink, State.SYSTEM_ERROR, [])
    raise TypeError(f"nothing can fail behind a {type(sink).__name__}")


def body_of(sink_format: Format, run: Run, items: Sequence[Item]) -> Body:
    """A batch takes any number of items, the other formats exactly one."""
    if sink_format is Format.BATCH:
        return Body("application/json", _json(batch(run, items)))
    (item,) = items
    if sink_format is Format.TES:
        return Body("application/json", _json(tes(item)))
    return Body("application/cloudevents+json", _json(cloud_event(run, item)))


def wes_status(sink: WesSink, items: Sequence[Item]) -> Body:
    """That its engine runs, and how the tasks stand that have moved (the contract's `WesStatus`).

    A task's states follow one another within a run, so the last one of each is its newest.
    """
    newest = {item.key: {"id": item.key.task_id, "state": item.update.state} for item in items}
    return _wes_body(sink, State.RUNNING, list(newest.values()))


def _wes_body(sink: WesSink, state: State, tasks: Sequence[dict[str, Any]]) -> Body:
    status = {"run_id": sink.wes_run_id, "state": state, "tasks": tasks}
    return Body("application/json", _json(status))


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
