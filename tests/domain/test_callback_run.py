from datetime import timedelta

import pytest

from callback_service.domain.callback_run import PERIOD, another_callback_run, callback_run
from callback_service.domain.sink import Format, HttpSink
from tests.fakes.clock import START

URL = "https://listener.example.org/secret"


def test_tasks_that_name_the_same_url_come_together_in_one_run():
    run = callback_run("alice", "funnel", URL, START)
    assert callback_run("alice", "funnel", URL, START + timedelta(hours=1)).id == run.id
    assert run.sink == HttpSink(URL, Format.TES)


@pytest.mark.parametrize(
    "other",
    [
        ("bob", "funnel", URL, START),
        ("alice", "tesk", URL, START),
        ("alice", "funnel", URL + "/", START),
        ("alice", "funnel", URL, START + PERIOD),
        ("alic", "efunnel", URL, START),
    ],
)
def test_nobody_shares_a_run_with_another_owner_server_url_or_week(other):
    assert callback_run(*other).id != callback_run("alice", "funnel", URL, START).id


def test_its_last_task_has_a_week_to_end():
    run = callback_run("alice", "funnel", URL, START)
    last_named = START + PERIOD
    assert callback_run("alice", "funnel", URL, last_named).id != run.id
    assert run.expires_at >= last_named + PERIOD


def test_its_name_gives_nothing_of_the_url_away_but_the_host():
    assert callback_run("alice", "funnel", URL, START).name == "callbacks of listener.example.org"


def test_another_one_is_always_another():
    runs = {another_callback_run("alice", "funnel", URL, START).id for _ in range(3)}
    assert len(runs | {callback_run("alice", "funnel", URL, START).id}) == 4
