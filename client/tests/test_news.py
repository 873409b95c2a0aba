"""Ends are told as they come, of all tasks by one thread; and who is not told knows it."""

import time

import pytest
from callback_client.following import Following
from callback_client.news import News

TES = "http://127.0.0.1:8000"


@pytest.fixture
def following(client):
    client.register_server("sim", TES)
    return Following(client, "my-run")


def until(condition):
    deadline = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def ended(service, *task_ids):
    for task_id in task_ids:
        service.report(task_id, "RUNNING", "COMPLETE", server="sim")


def test_what_has_ended_is_told_once(following, service):
    news = following.news
    for task_id in ("job-1", "job-2", "job-3"):
        following.follow(TES, task_id)
    assert news.take() == set()
    ended(service, "job-1", "job-3")
    service.report("job-2", "RUNNING", server="sim")
    taken = set()
    assert until(lambda: taken.update(news.take()) or len(taken) == 2)
    assert taken == {"job-1", "job-3"}
    ended(service, "job-2")
    assert until(news.take) == {"job-2"}
    assert not news
    assert news.is_current
    assert not service.asked("get_task")


def test_who_waits_is_woken_by_an_end_and_not_by_other_news(following, service, later):
    news = following.news
    following.follow(TES, "job-1")
    news.take()
    until(lambda: news.is_current)
    service.report("job-1", "RUNNING", server="sim")
    began = time.monotonic()
    news.wait(0.3)
    assert time.monotonic() - began > 0.2
    later(0.2, lambda: service.report("job-1", "COMPLETE", server="sim"))
    news.wait(30)
    assert time.monotonic() - began < 20
    assert news.take() == {"job-1"}


def test_nobody_is_told_before_there_is_a_task(following, service):
    assert following.news.take() == set()
    assert not following.news.is_current
    assert not service.asked("register_run")


def test_who_is_not_told_knows_it_and_misses_nothing(following, service, caplog):
    news = following.news
    following.follow(TES, "job-1")
    news.take()
    until(lambda: news.is_current)
    service.stop()
    until(lambda: not news.is_current)
    ended(service, "job-1")
    service.start()
    assert until(news.take) == {"job-1"}
    assert news.is_current
    assert [one.levelname for one in caplog.records].count("WARNING") == 2


def test_tasks_of_a_run_that_is_gone_go_into_another(following, client, service):
    news = following.news
    following.follow(TES, "job-1")
    news.take()
    until(lambda: news.is_current)
    client.delete(next(client.runs()).id)
    until(lambda: not news.is_current)
    until(
        lambda: following.state(TES, "job-1", 0) is None and len(service.asked("register_run")) > 1
    )
    ended(service, "job-1")
    assert until(news.take) == {"job-1"}


def test_a_service_that_says_nothing_is_not_asked_in_one_go():
    asked = []
    news = News(lambda: asked.append(1) or ())
    news.take()
    time.sleep(0.2)
    assert len(asked) == 1
