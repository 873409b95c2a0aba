"""Servers' habits, each as it was seen or as its documents say."""

import pytest

from callback_service.domain.states import State
from callback_service.tes_sim.profiles import PROFILES
from tests.tes_sim.asking import LISTENER, a_task, asker

EVERY_FIELD = {
    *("id", "state", "name", "description", "inputs", "outputs", "resources", "executors"),
    *("volumes", "tags", "logs", "creation_time"),
}


@pytest.fixture(params=PROFILES)
def profile(request):
    return request.param


def test_a_task_is_known_by_the_id_that_it_was_given(profile):
    tes = asker(profile)
    task = tes.submit(name="first")
    assert tes.get(task)["id"] == task
    assert tes.get(task, "BASIC")["name"] == "first"


def test_an_unknown_task_is_not_found(profile):
    tes = asker(profile)
    assert tes.ask("GET", "/tasks/nobody").status == 404
    assert tes.ask("POST", "/tasks/nobody:cancel").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/tasks/"),
        ("PUT", "/tasks"),
        ("GET", "/tasks/a/b"),
        ("DELETE", "/tasks/x"),
        ("POST", "/service-info"),
        ("GET", "/nothing"),
    ],
)
def test_what_is_no_operation_is_not_found(profile, method, path):
    reply = asker(profile).ask(method, path)
    assert reply.status == 404
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        {},
        {"executors": []},
        {"executors": [{"image": "alpine"}]},
        {"executors": [{"command": ["true"]}]},
        {"executors": [{"image": "alpine", "command": [1]}]},
        {"executors": "true"},
        a_task(tags={"number": 1}),
        a_task(tags=[]),
        a_task(name=5),
        a_task(resources=[]),
        a_task(resources={"cpu_cores": "many"}),
        a_task(inputs=[5]),
    ],
)
def test_what_is_no_task_is_refused(profile, body):
    assert asker(profile).ask("POST", "/tasks", body).status == 400


def test_unknown_fields_are_refused_wherever_they_are(profile):
    tes = asker(profile)
    deep = a_task()
    deep["executors"][0]["no_such_field"] = 1
    for task in (a_task(no_such_field=1), deep, a_task(resources={"no_such_field": 1})):
        reply = tes.ask("POST", "/tasks", task)
        assert reply.status == 400
        assert "no_such_field" in str(reply.json())


def test_what_only_the_server_says_is_not_taken_from_others(profile):
    tes = asker(profile)
    sent = a_task(id="mine", state="COMPLETE", creation_time="long ago", script="QUEUED")
    task = tes.ask("POST", "/tasks", sent).json()["id"]
    shown = tes.get(task, "FULL")
    assert task != "mine"
    assert shown["state"] == "QUEUED"
    assert shown["creation_time"] != "long ago"


@pytest.mark.parametrize("name", ["funnel", "tesk", "strict"])
def test_no_released_server_takes_a_callback_url(name):
    assert asker(name).ask("POST", "/tasks", a_task(callback_url=LISTENER)).status == 400


def test_only_one_that_calls_back_takes_a_callback_url_and_never_shows_it():
    tes = asker("pr176")
    task = tes.submit(callback_url=LISTENER)
    assert "callback_url" not in tes.get(task, "FULL")


def test_every_server_says_who_it_is(profile):
    info = asker(profile).ask("GET", "/service-info").json()
    assert info["type"]["artifact"] == "tes"
    assert {"id", "name", "organization", "version"} <= info.keys()


def test_what_service_info_calls_its_version_differs():
    versions = {
        name: asker(name).ask("GET", "/service-info").json()["type"]["version"]
        for name in ("funnel", "tesk", "strict")
    }
    assert versions == {"funnel": "0.12.0", "tesk": "1.0", "strict": "1.1.0"}


@pytest.mark.parametrize("below", ["/ga4gh/tes/v1", "/v1", ""])
def test_funnel_answers_below_three_paths_and_others_below_one(profile, below):
    known = asker(profile).ask("GET", "/tasks", below=below).status == 200
    assert known == (profile == "funnel" or below == "/ga4gh/tes/v1")


def test_the_minimal_view_is_the_id_and_the_state(profile):
    tes = asker(profile)
    task = tes.get(tes.submit(name="x"))
    assert {"id", "state"} == {name for name, value in task.items() if value}


def test_funnel_leaves_nothing_out():
    tes = asker("funnel")
    task = tes.submit()
    minimal = tes.get(task)
    assert minimal.keys() == EVERY_FIELD
    assert minimal["resources"] is None
    assert minimal["executors"] == []
    for view in ("BASIC", "FULL"):
        shown = tes.get(task, view)
        assert shown.keys() == EVERY_FIELD
        assert shown["resources"] is None
        assert shown["executors"][0]["ignore_error"] is False
        assert len(shown["logs"]) == 1, "even before it ran"


def test_by_the_book_what_has_no_value_is_left_out():
    tes = asker("strict")
    task = tes.submit(script="QUEUED")
    assert tes.get(task).keys() == {"id", "state"}
    assert tes.get(task, "FULL").keys() == {"id", "state", "executors", "tags", "creation_time"}


def test_the_basic_view_has_no_contents_and_no_output(profile):
    tes = asker(profile, script="RUNNING 1, COMPLETE")
    task = tes.submit(inputs=[{"path": "/in", "content": "secret"}])
    tes.clock.advance(60)
    assert tes.get(task, "FULL")["inputs"][0]["content"] == "secret"
    assert tes.get(task, "FULL")["logs"][0]["system_logs"]
    basic = tes.get(task, "BASIC")
    assert not basic["inputs"][0].get("content")
    assert not basic["logs"][0].get("system_logs")
    assert not basic["logs"][0]["logs"][0].get("stdout")


def test_errors_are_worded_as_each_server_does():
    bodies = {name: asker(name).ask("GET", "/tasks/x").json() for name in PROFILES}
    assert bodies["funnel"] == {
        "error": "task not found: x",
        "message": "task not found: x",
    }
    assert bodies["tesk"]["error"] == "Not Found"
    assert bodies["strict"] == {"status_code": 404, "message": "task not found: x"}


def test_funnels_logs_come_after_the_state():
    tes = asker("funnel", script="RUNNING 1, COMPLETE")
    task = tes.submit()
    assert tes.state(task, 1) is State.COMPLETE
    assert not tes.get(task, "FULL")["logs"][0]["end_time"]
    tes.clock.advance(1)
    assert tes.get(task, "FULL")["logs"][0]["end_time"]


def test_tesk_ignores_filters_and_pages():
    tes = asker("tesk")
    tes.core.make(finished=290, still_open=10, now=tes.now)
    listed = tes.listed(state="RUNNING", page_size=5, name_prefix="nobody")
    assert len(listed["tasks"]) == 300
    assert "next_page_token" not in listed


def test_tesk_lists_in_the_order_of_ids():
    tes = asker("tesk")
    tasks = [tes.submit() for _ in range(20)]
    assert [task["id"] for task in tes.listed()["tasks"]] == sorted(tasks)


def test_tesk_queues_each_executor():
    tes = asker("tesk")
    tes.submit("true", "true")
    tes.clock.advance(60)
    [task] = tes.core.tasks()
    assert [move.state for move in task.history(tes.now)] == [
        *("QUEUED", "INITIALIZING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETE"),
    ]


@pytest.mark.parametrize(
    "task",
    [
        a_task(name="a\0b"),
        a_task(resources={"cpu_cores": 10**6}),
        a_task(resources={"ram_gb": -1}),
    ],
)
def test_tesk_answers_500_where_kubernetes_refuses(task):
    assert asker("tesk").ask("POST", "/tasks", task).status == 500
    assert asker("strict").ask("POST", "/tasks", task).status == 200


def test_tesk_knows_nothing_of_tes_1_1():
    newer = a_task(resources={"backend_parameters": {"VmSize": "x"}})
    assert asker("tesk").ask("POST", "/tasks", newer).status == 400
    assert asker("strict").ask("POST", "/tasks", newer).status == 200


def test_preemption_is_a_state_of_1_1_only():
    def end(name):
        tes = asker(name)
        tes.fail(preempted=1.0)
        return tes.state(tes.submit(), 60)

    assert end("strict") is State.PREEMPTED
    assert end("tesk") is State.SYSTEM_ERROR


def test_by_the_book_a_cancel_takes_its_time():
    tes = asker("strict")
    task = tes.submit(script="RUNNING")
    assert tes.cancel(task) == 200
    assert tes.state(task) is State.CANCELING
    assert tes.cancel(task) == 200
    assert tes.state(task, 1) is State.CANCELED


def test_funnel_says_canceled_before_the_process_is_gone():
    tes = asker("funnel")
    task = tes.submit(script="RUNNING")
    tes.clock.advance(1)
    assert tes.cancel(task) == 200
    assert tes.state(task) is State.CANCELED
    tes.clock.advance(4)
    assert not tes.get(task, "FULL")["logs"][0]["end_time"]
    tes.clock.advance(2)
    assert tes.get(task, "FULL")["logs"][0]["end_time"]


def test_a_second_cancel_is_fine_and_changes_nothing(profile):
    tes = asker(profile)
    task = tes.submit(script="RUNNING")
    tes.cancel(task)
    tes.clock.advance(10)
    assert tes.cancel(task) == 200
    assert tes.state(task) is State.CANCELED


@pytest.mark.parametrize(
    ("name", "status"), [("funnel", 500), ("tesk", 200), ("pr176", 200), ("strict", 200)]
)
def test_cancelling_a_failed_task_is_an_error_at_funnel_only(name, status):
    tes = asker(name)
    task = tes.submit(script="EXECUTOR_ERROR")
    assert tes.cancel(task) == status
    assert tes.state(task) is State.EXECUTOR_ERROR


def test_a_cancelled_task_does_not_go_on(profile):
    tes = asker(profile)
    task = tes.submit("sleep 5")
    tes.clock.advance(1)
    tes.cancel(task)
    assert tes.state(task, 100) is State.CANCELED


CREDENTIALS = {
    "Basic dXNlcjpzZWNyZXQ=": 200,
    "Bearer t0ken": 200,
    "Bearer other": 401,
    "Basic Tm9uZTpOb25l": 401,
    "": 401,
    None: 401,
}


@pytest.mark.parametrize(("shown", "status"), CREDENTIALS.items())
def test_a_server_may_ask_for_credentials(profile, shown, status):
    tes = asker(profile, basic="user:secret", token="t0ken")
    tes.authorization = shown
    reply = tes.ask("GET", "/tasks")
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/json"
