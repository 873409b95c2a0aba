"""The examples of the README work as they stand there."""

import json
import re
import time
from pathlib import Path

import pytest
from callback_client.signature import sign

from client.tests.fake_listener import FakeListener

README = Path(__file__).parent.parent / "README.md"
REGISTER, GO_ON, RECEIVE, SEND, *_ = re.findall(
    r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL
)

ENDS = ["QUEUED", "RUNNING", "COMPLETE"]


@pytest.fixture(autouse=True)
def _surroundings(service, monkeypatch, tmp_path):
    monkeypatch.setenv("CALLBACK_SERVICE_URL", service.url)
    monkeypatch.chdir(tmp_path)


def run(example):
    names = {}
    exec(compile(example, str(README), "exec"), names)  # noqa: S102 - it is our own text
    return names


def test_a_run_waits_for_its_tasks(service, later, capsys):
    service.report("job-1", *ENDS)
    later(0.2, lambda: service.report("job-2", "QUEUED", "EXECUTOR_ERROR"))
    run(REGISTER)
    told = capsys.readouterr().out
    assert "/callbacks/" in told
    assert told.endswith("job-2 EXECUTOR_ERROR\n")
    assert "job-1 COMPLETE" in told


def test_a_cursor_is_kept(service, tmp_path, capsys):
    service.report("job-1", *ENDS)
    names = run(GO_ON)
    assert capsys.readouterr().out.splitlines() == [f"job-1 {state}" for state in ENDS]
    (place,) = tmp_path.glob("*.cursor")
    assert place.read_text() == names["updates"].cursor


def test_webhooks_are_received(capsys):
    secret = "whsec_YW4gZXhhbXBsZSBvZiBhIHNlY3JldCwgMzIgYnl0ZXM="
    update = {
        "server": "default",
        "task_id": "job-1",
        "seq": 2,
        "state": "RUNNING",
        "previous": "QUEUED",
        "at": "2025-06-12T14:30:00.000Z",
        "source": "callback",
        "final": False,
    }
    body = json.dumps({"run": {"id": "r0", "name": "my-run"}, "updates": [update]}).encode()
    now = int(time.time())
    headers = {
        "Webhook-Id": "msg_0",
        "Webhook-Timestamp": str(now),
        "Webhook-Signature": sign("msg_0", now, body, secret),
    }
    receive = run(RECEIVE)["receive"]
    assert receive(headers, body, secret) == 204
    assert capsys.readouterr().out == "job-1 RUNNING\n"
    assert receive(headers, body + b" ", secret) == 401


def test_a_tes_server_calls_back():
    with FakeListener() as listener:
        run(SEND)["run"]({"id": "job-1", "callback_url": listener.url})
        states = ["INITIALIZING", "RUNNING", "COMPLETE"]
        assert listener.told == [("job-1", state) for state in states]
