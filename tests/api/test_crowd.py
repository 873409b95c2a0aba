"""More callbacks than can be taken."""

import json
import logging

from werkzeug.test import Client

from callback_service.entrypoints.crowd import Crowd

BUSY = 3


class Callbacks:
    """An application whose callbacks last until another one has come."""

    def __init__(self):
        self.reached = []
        self.deeper = None

    def __call__(self, environ, start_response):
        self.reached.append(environ["PATH_INFO"])
        if self.deeper and len(self.reached) < 10:
            self.deeper()
        start_response("204 No Content", [])
        return []


def crowded(path="/callbacks/token", clock=lambda: 0.0):
    """What those are answered of whom each comes while the one before is inside."""
    app = Callbacks()
    client = Client(Crowd(app, BUSY, clock))
    answers = []
    app.deeper = lambda: answers.append(client.post(path))
    answers.append(client.post(path))
    return app, client, answers


def test_who_comes_to_a_crowd_is_told_when_to_come_again():
    app, _, answers = crowded()
    assert sorted(answer.status_code for answer in answers) == [204] * BUSY + [503]
    assert len(app.reached) == BUSY
    (refused,) = (answer for answer in answers if answer.status_code == 503)
    assert refused.headers["Retry-After"] == "1"
    assert refused.content_type == "application/problem+json"
    assert "send it again" in json.loads(refused.text)["detail"]


def test_whoever_leaves_makes_room():
    app, client, _ = crowded()
    app.deeper = None
    for _ in range(2 * BUSY):
        assert client.post("/callbacks/token").status_code == 204


def test_one_that_fails_makes_room_too():
    def broken(_environ, _start_response):
        raise OSError

    client = Client(Crowd(broken, BUSY))
    for _ in range(2 * BUSY):
        try:
            client.post("/callbacks/token")
        except OSError:
            continue
        raise AssertionError("it was refused")


def test_nobody_else_is_sent_away():
    app, _, answers = crowded("/v1/runs")
    assert {answer.status_code for answer in answers} == {204}
    assert len(app.reached) == len(answers) > BUSY


def test_the_log_says_it_once_a_second(caplog):
    moments = iter([0.0, 0.5, 0.9, 1.2])
    client = Client(Crowd(None, 0, lambda: next(moments)))
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            assert client.post("/callbacks/token").status_code == 503
    assert [record.fields["refused"] for record in caplog.records] == [1, 3]
