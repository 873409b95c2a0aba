"""Tasks are followed at the service; whatever fails there, the TES server can be asked instead."""

import logging
import threading
import time

import pytest
from callback_client import CallbackClient
from callback_client.following import BLIND_AFTER, CHECK_EVERY, Following

from client.tests.fake_service import FakeService

TES = "http://127.0.0.1:8000"


class FakeClock:
    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def following(client, clock):
    client.register_server("sim", TES)
    return Following(client, "my-run", clock=clock)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(service, task_id):
    service.report(task_id, "QUEUED", "RUNNING", "COMPLETE", server="sim")


def test_a_run_is_registered_with_the_first_task_and_has_them_all(following, client, service):
    assert not service.asked("register_run")
    following.follow(TES, "job-1")
    following.follow(TES, "job-2")
    following.follow(TES, "job-2")
    (run,) = client.runs()
    assert run.name == "my-run"
    assert [(task.server, task.id) for task in client.tasks(run.id)] == [
        ("sim", "job-1"),
        ("sim", "job-2"),
    ]
    assert len(service.asked("add_run_tasks")) == 2


def test_a_service_that_knows_several_servers_is_told_which_it_is(following, client):
    client.register_server("another", f"{TES}/2")
    following.follow(TES, "job-1")
    (run,) = client.runs()
    assert run.server == "sim"
    following.follow(f"{TES}/2", "job-1")
    assert {task.server for task in client.tasks(run.id)} == {"sim", "another"}


def test_threads_share_one_run(following, service):
    threads = [
        threading.Thread(target=following.follow, args=(TES, f"job-{number}"))
        for number in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(service.asked("register_run")) == 1


def test_the_first_look_is_answered_as_soon_as_the_service_sees_the_task(following, service, later):
    following.follow(TES, "job-1")
    later(0.2, lambda: service.report("job-1", "QUEUED", server="sim"))
    assert following.state(TES, "job-1", 5) == "QUEUED"


def test_who_asks_again_waits_for_news(following, service, later):
    following.follow(TES, "job-1")
    service.report("job-1", "RUNNING", server="sim")
    assert following.state(TES, "job-1", 5) == "RUNNING"
    later(0.2, lambda: service.report("job-1", "COMPLETE", server="sim"))
    assert following.state(TES, "job-1", 5) == "COMPLETE"
    assert len(service.asked("get_task")) == 2


def test_who_goes_round_many_tasks_waits_for_none(following, service):
    for task_id in ("job-1", "job-2"):
        following.follow(TES, task_id)
        service.report(task_id, "RUNNING", server="sim")
    for _ in range(3):
        for task_id in ("job-1", "job-2"):
            assert following.state(TES, task_id, 30) == "RUNNING"
    assert all(float(dict(one.query).get("wait", 0)) < 30 for one in service.asked("get_task"))


def test_a_task_that_the_service_never_sees_is_asked_for_at_its_server(following):
    following.follow(TES, "job-1")
    assert following.state(TES, "job-1", 5) is None


def test_a_task_that_nobody_named_is_asked_for_at_its_server(following, service):
    ended(service, "job-1")
    assert following.state(TES, "job-1", 5) is None
    assert not service.asked("get_task")


@pytest.mark.parametrize("task_id", ["", ".", "..", "a\nb", "a" * 513, 1, None])
def test_what_the_service_takes_for_no_id_is_not_named_to_it(following, service, task_id):
    following.follow(TES, task_id)
    assert following.state(TES, task_id, 5) is None
    assert len(service.exchanges) == 1


@pytest.mark.parametrize(
    "url",
    [
        TES,
        f"{TES}/",
        f"{TES}/ga4gh/tes/v1",
        "HTTP://127.0.0.1:8000/v1/",
        "{service}/gateway/sim",
        "{service}/gateway/sim/ga4gh/tes/v1/",
        "{service}",
    ],
)
def test_a_server_is_found_by_every_url_that_leads_there(following, client, service, url):
    client.change_server("sim", default=True)
    client.register_server("other", "https://tes.example.org")
    url = url.format(service=service.url)
    following.follow(url, "job-1")
    ended(service, "job-1")
    assert following.state(url, "job-1", 5) == "COMPLETE"


def test_a_server_may_be_called_by_its_name(client, service):
    client.register_server("sim", "http://tes.internal:8000")
    following = Following(client, server="sim")
    following.follow(TES, "job-1")
    ended(service, "job-1")
    assert following.state(TES, "job-1", 5) == "COMPLETE"


def test_it_is_said_once_that_no_such_server_is_registered(client, service, caplog):
    following = Following(client)
    for number in range(3):
        following.follow(TES, f"job-{number}")
        assert following.state(TES, f"job-{number}", 5) is None
    (record,) = caplog.records
    assert TES in record.getMessage()
    assert len(service.exchanges) == 1


def test_it_is_said_once_that_the_service_is_away_and_once_that_it_is_back(
    following, service, clock, caplog
):
    following.follow(TES, "job-1")
    service.stop()
    for _ in range(3):
        assert following.state(TES, "job-1", 5) is None
        clock.time += 60
    following.follow(TES, "job-2")
    service.start()
    ended(service, "job-1")
    ended(service, "job-2")
    clock.time += 60
    assert following.state(TES, "job-1", 5) == "COMPLETE"
    # It was submitted meanwhile.
    assert following.state(TES, "job-2", 5) == "COMPLETE"
    # How much else is said depends on the level that somebody has set.
    gone, back = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert "does not answer" in gone.getMessage()
    assert back.getMessage().endswith("is back")


def test_it_is_said_whose_refusal_it_is(following, client, service, caplog):
    service.fail(401)
    following.follow(TES, "job-1")
    assert caplog.messages[0].startswith(f"{client.url} answered 401")
    assert "CALLBACK_API_TOKEN" in caplog.messages[0]


def test_a_service_that_is_away_is_tried_seldom(following, service, clock):
    following.follow(TES, "job-1")
    service.fail(503, times=1000)
    before = len(service.exchanges)
    for _ in range(600):
        following.state(TES, "job-1", 5)
        clock.time += 0.1
    assert len(service.exchanges) - before < 15


def test_a_service_that_dies_while_somebody_waits_lets_go_at_once(following, service, later):
    following.follow(TES, "job-1")
    service.report("job-1", "RUNNING", server="sim")
    assert following.state(TES, "job-1", 5) == "RUNNING"
    later(0.2, service.stop)
    assert following.state(TES, "job-1", 60) is None


def test_no_answer_of_the_service_is_raised(following, service, clock):
    following.follow(TES, "job-1")
    for status in (400, 401, 403, 404, 409, 429, 500, 503):
        service.fail(status)
        assert following.state(TES, "job-1", 0) is None
        clock.time += 60


def test_a_run_that_was_deleted_is_followed_by_another(following, client, service):
    following.follow(TES, "job-1")
    (run,) = client.runs()
    client.delete(run.id)
    following.follow(TES, "job-2")
    (run,) = client.runs()
    # With what was followed in the one before: its end is to be told as well.
    assert [task.id for task in client.tasks(run.id)] == ["job-1", "job-2"]


def test_who_finds_late_that_a_run_was_deleted_makes_no_third_one(
    following, client, service, clock, caplog
):
    following.follow(TES, "job-1")
    (lost,) = client.runs()
    is_replaced, answer = threading.Event(), service.list_run_updates

    def answer_late(run_id, **asked):
        if run_id == lost.id:
            is_replaced.wait(10)
        return answer(run_id=run_id, **asked)

    service.list_run_updates = answer_late
    client.delete(lost.id)
    following.news.take()
    following.follow(TES, "job-2")
    is_replaced.set()
    # The thread that waits for news has found out.
    until(lambda: caplog.records)
    clock.time += 60
    following.follow(TES, "job-3")
    (run,) = client.runs()
    assert [task.id for task in client.tasks(run.id)] == ["job-1", "job-2", "job-3"]


def test_tasks_that_come_at_once_are_named_together(following, client, service):
    """And the server is looked up for all of them once."""
    threads = [
        threading.Thread(target=following.follow, args=(TES, f"job-{number}"))
        for number in range(10)
    ]
    is_first, add = threading.Event(), service.add_run_tasks

    def add_slowly(**asked):
        # Until all are there, and wait for the first.
        if not is_first.is_set():
            is_first.set()
            for thread in threads:
                thread.join(0.1)
        return add(**asked)

    service.add_run_tasks = add_slowly
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (run,) = client.runs()
    assert len(list(client.tasks(run.id))) == 10
    assert len(service.asked("add_run_tasks")) == 2
    assert len(service.asked("list_servers")) == 1


def test_a_server_that_is_not_registered_is_no_reason_to_leave_another(
    following, client, service, clock, caplog
):
    stranger = f"{TES}/2"
    for url in (stranger, TES, stranger):
        following.follow(url, "job-1")
    service.report("job-1", "RUNNING", server="sim")
    assert following.state(stranger, "job-1", 5) is None
    assert following.state(TES, "job-1", 5) == "RUNNING"
    (record,) = caplog.records
    assert stranger in record.getMessage()
    assert len(service.asked("list_servers")) == 2
    client.register_server("other", stranger)
    clock.time += 120
    service.report("job-1", "RUNNING", server="other")
    # What it was told of meanwhile is followed as well.
    assert following.state(stranger, "job-1", 5) == "RUNNING"
    assert caplog.messages[-1] == f"{stranger} is registered at {client.url} now"


def test_a_server_that_gets_another_name_is_found_again(following, client, service, clock):
    following.follow(TES, "job-1")
    client.delete_server("sim")
    client.register_server("another", TES)
    service.fail(400)
    following.follow(TES, "job-2")
    clock.time += 60
    following.follow(TES, "job-3")
    named = [task["server"] for task in service.asked("add_run_tasks")[-1].body["tasks"]]
    assert named == ["another", "another"]


def test_a_task_that_the_service_forgot_is_named_again(following, client, service):
    following.follow(TES, "job-1")
    (run,) = client.runs()
    client.delete(run.id)
    assert following.state(TES, "job-1", 5) is None
    service.report("job-1", "RUNNING", server="sim")
    assert following.state(TES, "job-1", 5) == "RUNNING"


def test_an_end_that_the_server_told_is_not_taken_back(following, service):
    following.follow(TES, "job-1")
    service.report("job-1", "RUNNING", server="sim")
    following.note(TES, "job-1", "COMPLETE")
    assert following.state(TES, "job-1", 5) is None
    assert not service.asked("get_task")


def test_a_service_that_sees_nothing_any_more_is_not_believed(following, service, clock):
    service.polled("sim", last_poll_at="2025-06-12T14:30:00Z")
    following.follow(TES, "job-1")
    service.report("job-1", "RUNNING", server="sim")
    answers = []
    for _ in range(int(BLIND_AFTER / CHECK_EVERY) + 5):
        answers.append(following.state(TES, "job-1", 0.01))
        clock.time += CHECK_EVERY
    assert answers[:3] == ["RUNNING"] * 3
    assert answers[-1] is None
    service.polled("sim", last_poll_at="2025-06-12T14:40:00Z")
    assert following.state(TES, "job-1", 0.01) == "RUNNING"


def test_a_token_that_is_none_is_refused_as_elsewhere():
    with FakeService("open-sesame") as service:
        following = Following(CallbackClient(service.url, "wrong"))
        following.follow(TES, "job-1")
        assert following.state(TES, "job-1", 5) is None


def test_a_gateway_that_is_known_gets_the_token_while_the_service_is_away(service, clock):
    with CallbackClient(service.url, token="cbs_1") as client:
        client.register_server("sim", TES)
        following = Following(client, clock=clock)
        gateway = f"{service.url}/gateway/sim"
        assert following.token_for(gateway) == "cbs_1"
        service.stop()
        assert following.token_for(f"{gateway}/v1") is None
        assert following.token_for(gateway) == "cbs_1"


def test_the_token_is_for_gateways_of_the_service_only(service, clock):
    with CallbackClient(service.url, token="cbs_1") as client:
        client.register_server("sim", TES)
        client.register_server("theirs", f"{TES}/2", access="pass")
        following = Following(client, clock=clock)
        assert following.token_for(f"{service.url}/gateway/sim") == "cbs_1"
        assert following.token_for(f"{service.url}/gateway/sim/ga4gh/tes/v1/") == "cbs_1"
        # It would refuse it.
        assert following.token_for(f"{service.url}/gateway/theirs") is None
        assert following.token_for(TES) is None
        assert following.token_for(service.url) is None
    with CallbackClient(service.url, token="") as client:
        assert Following(client, clock=clock).token_for(f"{service.url}/gateway/sim") is None
