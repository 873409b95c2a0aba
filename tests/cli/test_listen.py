"""`listen` prints what arrives, and who signed it."""

import json
from datetime import UTC, datetime

import pytest
import requests
from standardwebhooks import Webhook

from callback_service.domain.capability import new_secret

SECRET = new_secret()
UPDATE = {"task_id": "t1", "seq": 2, "state": "RUNNING", "previous": "QUEUED"}
FORMATS = {
    "batch": {"run": {"id": "r1", "name": ""}, "updates": [UPDATE, UPDATE]},
    "cloudevents": {"specversion": "1.0", "data": UPDATE},
    "tes": {"id": "t1", "state": "RUNNING"},
}


@pytest.fixture
def listen(start):
    """Starts it, and says where it listens."""

    def start_listening(*arguments):
        process = start("listen", "--port", "0", *arguments)
        url = process.read_complaint().split()[2]
        process.read_complaint()
        return process, url

    return start_listening


def post(url, body, secret=None):
    text = json.dumps(body)
    now = datetime.now(UTC)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp()))}
    if secret:
        headers["webhook-signature"] = Webhook(secret).sign("msg_1", now, text)
    return requests.post(url, text, headers=headers, timeout=5)


def test_it_tells_apart_who_signed(listen):
    process, url = listen("--secret", SECRET, "--json")
    for secret in (SECRET, new_secret(), None):
        assert post(url, FORMATS["batch"], secret).status_code == 204
    lines = [json.loads(process.read_line()) for _ in range(3)]
    assert [line["signature"] for line in lines] == ["verified", "wrong", "missing"]
    assert lines[0]["body"] == FORMATS["batch"]


def test_people_cannot_overlook_a_missing_or_wrong_signature(listen):
    process, url = listen("--secret", SECRET)
    post(url, FORMATS["tes"])
    assert "NOT SIGNED" in process.read_line()
    process.read_line()
    post(url, FORMATS["tes"], new_secret())
    assert "WRONG SIGNATURE" in process.read_line()


def test_without_a_secret_it_says_that_nothing_was_checked(listen):
    process, url = listen()
    post(url, FORMATS["tes"], SECRET)
    assert "not checked" in process.read_line()


@pytest.mark.parametrize(("name", "lines"), [("batch", 2), ("cloudevents", 1), ("tes", 1)])
def test_it_reads_every_format(listen, name, lines):
    process, url = listen()
    post(url, FORMATS[name])
    process.read_line()
    shown = [process.read_line() for _ in range(lines)]
    assert all("t1" in line and "RUNNING" in line for line in shown)


@pytest.mark.parametrize("body", [None, [], "\x1b[31m", 7, {"updates": 1}, {"specversion": 1}])
def test_what_is_no_delivery_is_shown_as_such(listen, body):
    process, url = listen()
    assert post(url, body).status_code == 204
    process.read_line()
    line = process.read_line()
    assert "no updates" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("signature", ["nonsense", "v1,%%%", "v1 v1", "v2,x"])
def test_a_garbled_signature_is_a_wrong_one(listen, signature):
    process, url = listen("--secret", SECRET, "--json")
    headers = {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": signature}
    assert requests.post(url, "{}", headers=headers, timeout=5).status_code == 204
    assert json.loads(process.read_line())["signature"] == "wrong"


def test_it_plays_a_bad_receiver(listen):
    _, url = listen("--status", "503", "--delay", "0.3")
    answer = post(url, FORMATS["tes"])
    assert answer.status_code == 503
    assert answer.elapsed.total_seconds() >= 0.3


def test_ctrl_c_is_how_it_ends(listen):
    process, _ = listen()
    process.interrupt()
    assert process.end()[0] == 0


def test_a_port_that_is_taken_is_wrong_use(cli, service):
    result = cli("listen", "--port", service.url.rpartition(":")[2])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("secret", ["whsec_", "whsec_a"])
def test_a_secret_that_is_none_is_wrong_use(cli, secret):
    assert cli("listen", "--secret", secret).exit_code == 2
