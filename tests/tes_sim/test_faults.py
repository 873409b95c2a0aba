"""What can go wrong at the server, and that it hits what it should."""

import json

import pytest

from callback_service.domain.states import State
from callback_service.tes_sim.faults import Answer, Faults
from tests.tes_sim.asking import a_task, asker


def statuses(tes, count=5):
    return [tes.ask("GET", "/tasks").status for _ in range(count)]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_any_status_can_be_answered_in_the_words_of_the_server(status):
    tes = asker("funnel")
    tes.fail(answer=Answer.ERROR, status=status)
    reply = tes.ask("GET", "/tasks")
    assert reply.status == status
    assert "error" in reply.json()


def test_faults_may_hit_a_number_of_requests_only():
    tes = asker()
    tes.fail(answer=Answer.ERROR, status=503, times=2)
    assert statuses(tes) == [503, 503, 200, 200, 200]


def test_faults_may_last_for_a_while_only():
    tes = asker()
    tes.fail(answer=Answer.ERROR, status=503, lasting=5)
    assert statuses(tes, 1) == [503]
    tes.clock.advance(4.9)
    assert statuses(tes, 1) == [503]
    tes.clock.advance(0.1)
    assert statuses(tes, 1) == [200]


REQUESTS = {
    "ListTasks": ("GET", "/tasks"),
    "GetTask": ("GET", "/tasks/x"),
    "GetServiceInfo": ("GET", "/service-info"),
    "CreateTask": ("POST", "/tasks"),
    "CancelTask": ("POST", "/tasks/x:cancel"),
}


@pytest.mark.parametrize(
    ("on", "hit"),
    [
        ("all", set(REQUESTS)),
        ("reads", {"ListTasks", "GetTask", "GetServiceInfo"}),
        ("writes", {"CreateTask", "CancelTask"}),
        *((name, {name}) for name in REQUESTS),
    ],
)
def test_faults_hit_what_they_are_meant_for(on, hit):
    tes = asker()
    tes.core.set_faults(Faults.read({"answer": "error", "status": 418, "on": on}), tes.now)
    assert hit == {name for name, request in REQUESTS.items() if tes.ask(*request).status == 418}


def test_new_faults_replace_the_old_ones():
    tes = asker()
    tes.fail(answer=Answer.ERROR, times=1)
    tes.fail()
    assert statuses(tes, 1) == [200]


def test_a_failing_server_does_nothing():
    tes = asker()
    for answer in (Answer.ERROR, Answer.REDIRECT, Answer.HANG_UP):
        tes.fail(answer=answer)
        tes.ask("POST", "/tasks", a_task())
    assert tes.core.tasks() == []


def test_a_task_may_be_there_and_nobody_hears_of_it():
    tes = asker()
    tes.fail(answer=Answer.LOST, on="CreateTask", times=1)
    assert tes.ask("POST", "/tasks", a_task()).manner.hangs_up
    assert len(tes.core.tasks()) == 1
    assert statuses(tes, 1) == [200]


def test_an_html_page_may_come_with_status_200():
    tes = asker()
    tes.fail(answer=Answer.HTML)
    reply = tes.ask("GET", "/tasks")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/html")
    assert reply.body.startswith(b"<")


def test_json_may_be_cut_off():
    tes = asker()
    tes.fail(answer=Answer.TRUNCATED)
    with pytest.raises(json.JSONDecodeError):
        tes.ask("GET", "/tasks").json()


def test_json_may_be_something_else():
    tes = asker()
    tes.fail(answer=Answer.WRONG_SHAPE)
    assert isinstance(tes.ask("GET", "/tasks").json(), list)


def test_a_redirect_leads_where_it_is_told_to():
    tes = asker()
    tes.fail(answer=Answer.REDIRECT, location="http://169.254.169.254/")
    reply = tes.ask("GET", "/tasks")
    assert (reply.status, reply.headers["Location"]) == (302, "http://169.254.169.254/")


def test_answers_may_be_slow_drip_or_never_end():
    tes = asker()
    tes.fail(delay=3.0, drip=0.5, on="ListTasks")
    assert tes.ask("GET", "/tasks").manner.delay == 3.0
    assert tes.ask("GET", "/tasks").manner.drip == 0.5
    assert tes.ask("GET", "/service-info").manner.delay == 0
    tes.fail(answer=Answer.ENDLESS)
    assert tes.ask("GET", "/tasks").manner.endless


def test_tasks_may_be_preempted():
    tes = asker()
    tes.fail(preempted=0.5)
    tasks = [tes.submit() for _ in range(100)]
    tes.clock.advance(60)
    ends = [tes.state(task) for task in tasks]
    assert 30 < ends.count(State.PREEMPTED) < 70
    assert set(ends) == {State.PREEMPTED, State.COMPLETE}


def test_a_failing_task_is_not_preempted():
    tes = asker()
    tes.fail(preempted=1.0)
    assert tes.state(tes.submit("false"), 60) is State.EXECUTOR_ERROR


def test_a_task_may_be_forgotten():
    tes = asker()
    kept, lost = tes.submit(), tes.submit()
    tes.core.forget(lost)
    tes.core.forget("never known")
    assert tes.ask("GET", f"/tasks/{lost}").status == 404
    assert [task["id"] for task in tes.listed()["tasks"]] == [kept]


def test_a_server_that_is_down_answers_nobody():
    tes = asker()
    task = tes.submit()
    tes.core.restart(tes.now, down=2)
    assert tes.ask("GET", "/tasks").manner.hangs_up
    assert tes.state(task, 2) is State.COMPLETE


def test_a_restart_may_lose_all_tasks():
    tes = asker()
    old = tes.submit()
    tes.core.restart(tes.now, forget=True)
    assert tes.listed()["tasks"] == []
    assert tes.submit() != old


@pytest.mark.parametrize(
    "given",
    [
        {"no_such_fault": 1},
        {"drop_callbacks": "many"},
        {"drop_callbacks": True},
        {"drop_callbacks": -1},
        {"drop_callbacks": None},
        {"no_filters": 1},
        {"answer": "nonsense"},
        {"answer": 5},
        {"on": "nothing"},
        {"location": 5},
        {"times": "x"},
        {"delay": float("nan")},
    ],
)
def test_what_is_no_fault_is_refused(given):
    with pytest.raises(ValueError, match=r"\w"):
        Faults.read(given)


def test_faults_can_be_told_as_json():
    given = {"drop_callbacks": 1, "answer": "error", "status": 503, "on": "reads", "times": None}
    faults = Faults.read(given)
    assert (faults.drop_callbacks, faults.answer, faults.times) == (1, Answer.ERROR, None)
    assert Faults.read({}) == Faults()
