"""A receiver of deliveries: verifies them, writes them down, and answers as it was told."""

import json
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

from tests.e2e.conditions import PATIENCE, until


class Told(NamedTuple):
    """One update as it arrived; a delivery of format `tes` has no `seq`."""

    task: str
    seq: int | None
    state: str


@dataclass(frozen=True)
class Answer:
    """`delay` in seconds before it; `hangs_up` closes the connection in its place."""

    status: int = 204
    headers: dict = field(default_factory=dict)
    delay: float = 0
    hangs_up: bool = False


@dataclass(frozen=True)
class Delivery:
    at: float
    path: str
    webhook_id: str
    headers: dict
    text: str
    # Which of the secrets that the receiver trusts fit its signatures.
    verified_by: tuple
    updates: tuple
    status: int = 0

    @property
    def body(self):
        return json.loads(self.text)


def updates_in(body):
    if "updates" in body:
        return tuple(Told(one["task_id"], one["seq"], one["state"]) for one in body["updates"])
    if "specversion" in body:
        data = body["data"]
        return (Told(data["task_id"], data["seq"], data["state"]),)
    return (Told(body["id"], None, body["state"]),)


class Receiver:
    """One HTTP server on loopback; `deliveries` are in the order in which they were answered."""

    def __init__(self, answer=None):
        self.deliveries = []
        self.answer = answer or (lambda _delivery: Answer())
        self.secrets = []
        self._changed = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def trust(self, secret):
        self.secrets.append(secret)

    @property
    def accepted(self):
        """The deliveries that were answered by a 2xx."""
        return [one for one in self.deliveries if 200 <= one.status < 300]

    @property
    def told(self):
        """What it accepted, in order, repeats included."""
        return [told for delivery in self.accepted for told in delivery.updates]

    def states(self, task, path="/"):
        """The states of one task as it was told of them, in order, each update once."""
        return self.all_states(path).get(task, [])

    def all_states(self, path="/"):
        """The same of every task."""
        # Without a `seq`, it is the webhook id by which a repeat is known.
        told = dict.fromkeys(
            (one, None if one.seq else delivery.webhook_id)
            for delivery in self.accepted
            for one in delivery.updates
            if delivery.path == path
        )
        states = defaultdict(list)
        for one, _ in told:
            states[one.task].append(one.state)
        return states

    def until_told(self, task, *states, path="/", within=PATIENCE):
        """Wait until it knows at least as many states of a task, and check that they are these."""
        until(
            lambda: len(self.states(task, path)) >= len(states),
            within,
            lambda: f"told only {self.states(task, path)} of {states}",
        )
        assert self.states(task, path) == list(states)

    def write_down(self, delivery):
        with self._changed:
            self.deliveries.append(delivery)

    def verifying(self, text, headers):
        return tuple(secret for secret in self.secrets if _fits(secret, text, headers))


def assert_honest(receiver):
    """Whatever was killed: all is signed, nothing is skipped, and what is repeated is the same."""
    states, last = {}, defaultdict(int)
    for delivery in receiver.accepted:
        assert delivery.verified_by, "a delivery was not signed rightly"
        for task, seq, state in delivery.updates:
            key = delivery.path, task, seq or delivery.webhook_id
            assert states.setdefault(key, state) == state, f"{task}: another update {seq}"
            if seq is not None:
                assert seq <= last[key[:2]] + 1, f"{task}: {seq} came after {last[key[:2]]}"
                last[key[:2]] = max(seq, last[key[:2]])


def assert_repeats_are_exact(receiver):
    """As long as the database lives: what is told again is told as it was, under its old id."""
    assert_honest(receiver)
    by_id, ids = {}, {}
    for one in receiver.accepted:
        assert by_id.setdefault(one.webhook_id, one.updates) == one.updates
        for told in one.updates:
            known = ids.setdefault((one.path, told, told.seq or one.webhook_id), one.webhook_id)
            assert known == one.webhook_id, f"{told} came under two ids"


def _fits(secret, text, headers):
    try:
        Webhook(secret).verify(text, headers)
    except WebhookVerificationError:
        return False
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A delivery that hangs must not hold up the end of the test.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, receiver):
        self.receiver = receiver
        super().__init__(address, _Handler)

    def handle_error(self, request, client_address):
        """Services that are killed leave connections that break."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        receiver = self.server.receiver
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        delivery = Delivery(
            time.monotonic(),
            self.path,
            headers["webhook-id"],
            headers,
            text,
            receiver.verifying(text, headers),
            updates_in(json.loads(text)),
        )
        answer = receiver.answer(delivery)
        time.sleep(answer.delay)
        # Before the answer: who has it may look at once.
        receiver.write_down(Delivery(**{**vars(delivery), "status": answer.status}))
        if answer.hangs_up:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """The test has it in writing."""
