"""The senders' and the receivers' own books are right, without a service between them."""

import json
import socket
import subprocess
import threading
from collections import defaultdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from urllib.parse import urlsplit

import pytest
import requests
from standardwebhooks import Webhook

from callback_service.domain.capability import new_secret
from tests.e2e.conditions import until
from tests.faults.fleet import STATES, Load, sending
from tests.faults.nuisances import say_by_drops, say_without_end
from tests.faults.receivers import Counts, Manner, receiving
from tests.faults.records import Told

EMPTY = b'{"updates": []}'


class Listener(BaseHTTPRequestHandler):
    """Takes what comes; of every three callbacks it refuses one, and hangs up on another."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        callback = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        heard = self.server.heard
        heard.append((self.path, callback["id"], callback["state"]))
        if len(heard) % 3 == 2:
            self.close_connection = True
            return
        self.send_response(503 if len(heard) % 3 else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """The test has it in writing."""


@pytest.fixture
def listener():
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        server.heard = []
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        yield server
        server.shutdown()


def test_a_fleet_sends_each_callback_until_it_is_acknowledged_and_writes_down_all(listener):
    url = f"http://127.0.0.1:{listener.server_port}"
    urls = {"run-1": [f"{url}/a/1", f"{url}/b/1"], "run-2": [f"{url}/a/2", f"{url}/b/2"]}
    load = Load(urls, rate=60, seconds=0.5, gap=0.01, pauses=(0.0, 0.02))
    with sending(load) as fleet:
        until(lambda: fleet.progress().is_over)
        sent, acknowledged, _, lag = fleet.progress()
        attempts = fleet.history()
    assert load.tasks == 5
    assert len(listener.heard) == len(attempts) == sent
    assert acknowledged == load.tasks * len(STATES)
    assert {one.status for one in attempts} == {0, 204, 503}
    assert lag < 0.5
    told = defaultdict(list)
    for one in attempts:
        told[one.task].append((one.state, one.is_acknowledged))
    for states in told.values():
        assert [state for state, is_acknowledged in states if is_acknowledged] == list(STATES)
    assert {path[:3] for path, *_ in listener.heard} == {"/a/", "/b/"}


def test_a_fleet_that_is_to_finish_ends_what_it_began(listener):
    url = f"http://127.0.0.1:{listener.server_port}/"
    load = Load({"run": [url]}, rate=60, seconds=60, gap=0.05, pauses=(0.0, 0.02))
    with sending(load) as fleet:
        until(lambda: fleet.progress().sent > 10)
        fleet.finish()
        until(lambda: fleet.progress().is_over)
        attempts = fleet.history()
    ends = [one for one in attempts if one.state == STATES[-1] and one.is_acknowledged]
    assert len({one.task for one in attempts}) == len(ends) < load.tasks


def test_a_fleet_of_one_at_once_plays_its_tasks_one_after_the_other(listener):
    url = f"http://127.0.0.1:{listener.server_port}/"
    load = Load({"run": [url]}, 600, 0.05, gap=0.01, pauses=(0.0, 0.02), at_once=1)
    with sending(load) as fleet:
        until(lambda: fleet.progress().is_over)
    turns = [task for task, _ in groupby(task for _, task, _ in listener.heard)]
    assert len(turns) == len(set(turns)) == load.tasks == 5


def test_who_has_no_answer_in_time_sends_again(listener):
    with sending(Load({"run": ["http://127.0.0.1:1/"]}, 6, 1, pauses=(0.0, 0.01))) as fleet:
        until(lambda: fleet.progress().sent > 5)
        assert {one.status for one in fleet.history()} == {0}
        assert not fleet.progress().is_over


def deliver(url, secret, *updates, webhook_id="msg-1"):
    body = json.dumps(
        {"updates": [{"task_id": task, "seq": seq, "state": state} for task, seq, state in updates]}
    )
    at = datetime.now(UTC)
    signed = Webhook(secret).sign(webhook_id, at, body)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed,
    }
    return requests.post(url, data=body, headers=headers, timeout=5)


@pytest.fixture
def receivers():
    with receiving(seed=1) as one:
        yield one


def test_a_receiver_verifies_answers_and_writes_down(receivers):
    secret = new_secret()
    receivers.trust("run-1", secret)
    receivers.trust("run-2", new_secret())
    for run in ("run-1", "run-2"):
        assert deliver(receivers.url + run, secret, ("task", 1, "QUEUED")).status_code == 204
    assert receivers.counts() == Counts(2, 2, 2)
    first, second = receivers.history()
    assert (first.run, first.webhook_id, first.is_signed) == ("run-1", "msg-1", True)
    assert first.updates == (Told("task", 1, "QUEUED"),)
    assert not second.is_signed


def test_a_receiver_refuses_and_hangs_up_as_often_as_it_is_to(receivers):
    secret = new_secret()
    receivers.behave(Manner(refusing=0.5, hanging_up=0.25, statuses=(500, 429)), ["run"])
    answers = []
    for _ in range(40):
        try:
            answers.append(deliver(receivers.url + "run", secret, ("a", 1, "X")).status_code)
        except requests.ConnectionError:
            answers.append(0)
    assert [one.status for one in receivers.history()] == answers
    assert set(answers) == {0, 204, 429, 500}
    assert receivers.counts() == Counts(40, 1, 40)


def test_a_receiver_is_met_at_another_host_too(receivers):
    secret, other = new_secret(), receivers.another()
    receivers.trust("run", secret)
    assert deliver(other + "run", secret, ("task", 1, "QUEUED")).status_code == 204
    assert other != receivers.url
    assert receivers.counts() == Counts(1, 1, 1)


def test_one_that_answers_endlessly_goes_on_until_nobody_listens(receivers):
    receivers.behave(Manner(say=say_without_end), ["run"])
    with requests.post(receivers.url + "run", data=EMPTY, stream=True, timeout=5) as answer:
        assert answer.status_code == 200
        assert len(answer.raw.read(100_000)) == 100_000


def test_one_that_drips_never_comes_to_an_end(receivers):
    receivers.behave(Manner(hanging_up=1.0, say=say_by_drops), ["run"])
    host = urlsplit(receivers.url)
    with socket.create_connection((host.hostname, host.port), timeout=5) as connection:
        head = f"POST /run HTTP/1.1\r\nContent-Length: {len(EMPTY)}\r\nwebhook-id: 1\r\n\r\n"
        connection.sendall(head.encode() + EMPTY)
        heard = b""
        while len(heard) < 30:
            heard += connection.recv(100)
    assert heard.startswith(b"HTTP/1.1 200 ")
    assert b"\r\n\r\n" not in heard
    assert [one.is_accepted for one in receivers.history()] == [False]


def test_a_receiver_kills_whom_it_is_to_once_it_has_answered(receivers):
    with subprocess.Popen(["sleep", "60"]) as victim:
        receivers.behave(Manner(kills=(victim.pid,)), ["run"])
        assert deliver(receivers.url + "run", new_secret(), ("a", 1, "X")).status_code == 204
        assert victim.wait(5) == -9
    assert deliver(receivers.url + "run", new_secret(), ("a", 1, "X")).status_code == 204
