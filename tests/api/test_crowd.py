"""More callbacks than can be taken."""

import json
import logging
from itertools import pairwise

from werkzeug.test import Client

from callback_service.entrypoints.crowd import HOLD, LATEST, Crowd, Outside, Room

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


def in_no_time(_seconds):
    """Holds nobody."""


def crowded(path="/callbacks/token", clock=lambda: 0.0):
    """What those are answered of whom each comes while the one before is inside."""
    app = Callbacks()
    client = Client(Crowd(app, BUSY, clock, lambda: 0.5, in_no_time))
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


def test_who_is_sent_away_waits_for_his_answer_but_no_more_than_may_be_inside():
    held, answers = [], []

    def hold(seconds):
        held.append(seconds)
        answers.append(client.post("/callbacks/token"))

    def full(_environ, start_response):
        answers.append(client.post("/callbacks/token"))
        start_response("204 No Content", [])
        return []

    client = Client(Crowd(full, 2, hold=hold))
    client.post("/callbacks/token")
    # Two are inside and two are held: the fifth has its answer at once.
    assert held == [HOLD, HOLD]
    assert [answer.status_code for answer in answers] == [503, 503, 503, 204]


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
    moments = [0.0]
    client = Client(Crowd(None, 0, lambda: moments[-1], hold=in_no_time))
    with caplog.at_level(logging.WARNING):
        for moment in (0.0, 0.5, 0.9, 1.2):
            moments.append(moment)
            assert client.post("/callbacks/token").status_code == 503
    assert [record.fields["refused"] for record in caplog.records] == [1, 3]


class TestRoom:
    def test_it_shrinks_once_a_second_while_some_are_refused_inside(self):
        hour = [0.0]
        room, places = Room(100, lambda: hour[0]), []
        for second in range(4):
            for part in (0.0, 0.4, 0.8):
                hour[0] = second + part
                room.learn(80, was_refused=True)
            places.append(room.places)
        assert places == [60.0, 45.0, 33.75, 25.3125]

    def test_some_are_let_in_however_it_goes(self):
        hour = iter(range(100))
        room = Room(512, lambda: float(next(hour)))
        for _ in range(50):
            room.learn(512, was_refused=True)
        assert room.places == 16
        assert Room(3, lambda: 0.0).places == 3

    def test_it_grows_again_with_those_who_are_not_refused_and_not_for_ever(self):
        room = Room(20, lambda: 0.0)
        room.learn(20, was_refused=True)
        grown = [room.places]
        for _ in range(100):
            room.learn(16, was_refused=False)
            grown.append(room.places)
        assert grown[0] == 16
        assert all(before <= after for before, after in pairwise(grown))
        assert grown[-1] == 20


def test_fewer_are_let_in_where_the_application_refuses():
    def hung(_environ, start_response):
        if len(deep) < 30:
            deep.append(client.post("/callbacks/token"))
        start_response("503 Service Unavailable", [])
        return []

    deep = []
    client = Client(Crowd(hung, 30, hold=in_no_time))
    client.post("/callbacks/token")
    assert "Retry-After" not in deep[1].headers
    inside, deep = len(deep), []
    client.post("/callbacks/token")
    assert inside == 30
    assert sum("Retry-After" not in answer.headers for answer in deep) < 25


class Hours:
    """Tells how long those are sent away of whom so many come in each second."""

    def __init__(self, chance=0.5):
        self.now = 0.0
        self.outside = Outside(lambda: self.now, lambda: chance)

    def pass_by(self, seconds, taken, refused):
        for _ in range(seconds):
            for _ in range(taken):
                self.outside.take()
            for _ in range(refused - 1):
                self.outside.send_away()
            self.now += 1.0
            later = self.outside.send_away()
        return later


def test_few_come_again_soon():
    assert Hours().pass_by(seconds=10, taken=100, refused=50) == 1


def test_the_more_are_outside_the_later_they_are_told_to_come():
    hours = Hours()
    assert hours.pass_by(seconds=1, taken=100, refused=500) == 5
    # The five hundred come once in five seconds now: they are still as many.
    assert hours.pass_by(seconds=5, taken=100, refused=100) in {5, 6}


def test_nobody_is_sent_away_for_long():
    assert Hours().pass_by(seconds=100, taken=0, refused=1000) == LATEST


def test_when_most_are_in_the_others_come_sooner():
    hours = Hours()
    hours.pass_by(seconds=1, taken=100, refused=2000)
    assert hours.pass_by(seconds=50, taken=100, refused=10) <= 4


def test_they_do_not_come_all_at_once():
    told = {Hours(one).pass_by(seconds=1, taken=1, refused=20) for one in (0.0, 0.5, 0.99)}
    assert told == {10, 20, 30}
