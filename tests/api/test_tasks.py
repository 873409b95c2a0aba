"""What is known of tasks, and how clients learn of it: at once, by waiting, as a stream."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from callback_service.domain.feed import Place
from tests.api.service import Service

SOON = 5.0


@contextmanager
def calling_back(service: Service, run: Any, task: str, state: str) -> Iterator[None]:
    """Tell of a state from another thread, a little later."""
    timer = threading.Timer(0.3, service.call_back, (run, task, state))
    timer.start()
    yield
    timer.join()


@pytest.fixture
def run(service: Service) -> dict[str, Any]:
    return service.register()


def test_a_task_has_its_history(service: Service, run: dict[str, Any]) -> None:
    for state in ("QUEUED", "QUEUED", "RUNNING", "COMPLETE", "RUNNING"):
        service.call_back(run, "history", state)
    task = service.ask("get_task", server="default", task_id="history").json
    assert [one["state"] for one in task["history"]] == ["QUEUED", "RUNNING", "COMPLETE"]
    assert [one["seq"] for one in task["history"]] == [1, 2, 3]
    assert (task["state"], task["final"], task["runs"]) == ("COMPLETE", True, [run["id"]])


def test_states_come_in_the_order_of_the_question(service: Service, run: dict[str, Any]) -> None:
    service.call_back(run, "known", "RUNNING")
    asked = {"tasks": [{"id": "unheard"}, {"id": "known"}, {"id": "x", "server": "elsewhere"}]}
    states = service.ask("list_states", asked).json["states"]
    assert [(one["id"], one["state"]) for one in states] == [
        ("unheard", "UNKNOWN"),
        ("known", "RUNNING"),
        ("x", "UNKNOWN"),
    ]


def test_updates_are_read_with_a_cursor(service: Service, run: dict[str, Any]) -> None:
    first = service.ask("list_run_updates", run_id=run["id"]).json
    assert first["updates"] == []
    service.call_back(run, "cursor", "QUEUED")
    service.call_back(run, "cursor", "RUNNING")
    query = f"after={first['cursor']}"
    page = service.ask("list_run_updates", run_id=run["id"], query=query).json
    told = [(one["seq"], one["previous"], one["state"]) for one in page["updates"]]
    assert told == [(1, "UNKNOWN", "QUEUED"), (2, "QUEUED", "RUNNING")]
    again = service.ask("list_run_updates", run_id=run["id"], query=f"after={page['cursor']}").json
    assert again["updates"] == []


def test_small_pages_leave_nothing_out(service: Service, run: dict[str, Any]) -> None:
    for number in range(7):
        service.call_back(run, f"small-{number}", "QUEUED")
    told, cursor = set(), ""
    for _ in range(20):
        query = f"page_size=2&after={cursor}"
        page = service.ask("list_run_updates", run_id=run["id"], query=query).json
        told |= {one["task_id"] for one in page["updates"]}
        cursor = page["cursor"]
    assert told == {f"small-{number}" for number in range(7)}


def test_who_waits_for_updates_is_answered_by_a_callback(
    service: Service, run: dict[str, Any]
) -> None:
    begun = time.monotonic()
    with calling_back(service, run, "awaited", "RUNNING"):
        page = service.ask("list_run_updates", run_id=run["id"], query="wait=20").json
    assert [one["task_id"] for one in page["updates"]] == ["awaited"]
    assert 0.2 < time.monotonic() - begun < SOON


def test_who_waits_for_a_task_is_answered_by_another_state(
    service: Service, run: dict[str, Any]
) -> None:
    service.call_back(run, "changing", "QUEUED")
    begun = time.monotonic()
    with calling_back(service, run, "changing", "RUNNING"):
        query = "known=QUEUED&wait=20"
        task = service.ask("get_task", server="default", task_id="changing", query=query).json
    assert task["state"] == "RUNNING"
    assert 0.2 < time.monotonic() - begun < SOON


def test_waiting_ends_when_its_time_is_over(service: Service, run: dict[str, Any]) -> None:
    begun = time.monotonic()
    assert service.ask("list_run_updates", run_id=run["id"], query="wait=0.3").json["updates"] == []
    assert 0.3 <= time.monotonic() - begun < SOON


class Events:
    """A stream of server-sent events, field by field."""

    def __init__(self, answer: TestResponse) -> None:
        self._chunks = iter(answer.response)
        self._waiting: list[dict[str, str]] = []

    def next(self) -> dict[str, str]:
        while not self._waiting:
            chunk = next(self._chunks)
            text = chunk.decode() if isinstance(chunk, bytes) else chunk
            for event in text.split("\n\n"):
                fields = dict(line.split(": ", 1) for line in event.splitlines())
                if "data" in fields:
                    self._waiting.append(fields)
        return self._waiting.pop(0)


def stream(service: Service, run: dict[str, Any], **headers: str) -> Events:
    answer = service.call(
        "GET",
        f"/v1/runs/{run['id']}/updates",
        headers={"Accept": "text/event-stream", **headers},
        buffered=False,
    )
    assert answer.mimetype == "text/event-stream"
    return Events(answer)


def test_a_stream_has_what_was_and_what_comes(service: Service, run: dict[str, Any]) -> None:
    service.call_back(run, "streamed", "QUEUED")
    events = stream(service, run)
    first = events.next()
    assert first["event"] == "update"
    assert '"state": "QUEUED"' in first["data"]
    with calling_back(service, run, "streamed", "RUNNING"):
        second = events.next()
    assert '"state": "RUNNING"' in second["data"]
    assert second["id"] != first["id"]


def test_a_stream_goes_on_after_the_last_event_that_was_seen(
    service: Service, run: dict[str, Any]
) -> None:
    service.call_back(run, "resumed", "QUEUED")
    seen = stream(service, run).next()["id"]
    service.call_back(run, "resumed", "RUNNING")
    headers = {"Last-Event-ID": seen}
    assert '"state": "RUNNING"' in stream(service, run, **headers).next()["data"]


def test_a_cursor_from_before_what_is_kept_has_expired(
    service: Service, run: dict[str, Any]
) -> None:
    cursor = Place(since=datetime.now(UTC) - timedelta(days=31)).encode()
    answer = service.ask("list_run_updates", run_id=run["id"], query=f"after={cursor}")
    assert answer.status_code == 410
    assert "list again" in answer.json["detail"]
