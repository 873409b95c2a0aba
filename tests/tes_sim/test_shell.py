"""The simulated server on a socket: transport, callbacks, and many tasks."""

import threading
import time

import pytest
import requests

from callback_service.tes_sim.faults import Answer
from tests.ports import free_port
from tests.tes_sim.asking import a_task
from tests.tes_sim.listener import listening
from tests.tes_sim.running import TES, running_server


def eventually(happens, patience=10.0):
    deadline = time.monotonic() + patience
    while not (found := happens()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found


def submit(server, *commands, **fields):
    answer = requests.post(f"{server.url}{TES}/tasks", json=a_task(*commands, **fields), timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def listed(server, timeout=5.0, **query):
    return requests.get(f"{server.url}{TES}/tasks", params=query, timeout=timeout)


@pytest.fixture(scope="module")
def running():
    """For tests that leave nothing wrong behind."""
    with running_server("strict", finished=10) as server:
        yield server


@pytest.fixture
def server(running):
    yield running
    running.fail()
    running.core.journal.clear()


@pytest.fixture
def listener():
    with listening() as listener:
        yield listener


def test_a_task_lives_by_the_clock(server):
    task = submit(server, script="QUEUED 0.1, RUNNING 0.1, COMPLETE")
    assert server.states()[task] == "QUEUED"
    url = f"{server.url}{TES}/tasks/{task}"
    eventually(lambda: requests.get(url, timeout=5).json()["state"] == "COMPLETE")


def test_what_is_asked_is_passed_on_as_it_is(server):
    listed(server, tag_key=["a", "b"], tag_value=["1", ""])
    requests.get(f"{server.url}{TES}/tasks/a%2Fb%3Fc", timeout=5)
    first, second = server.core.journal.requests
    assert first.query == (
        ("tag_key", "a"),
        ("tag_key", "b"),
        ("tag_value", "1"),
        ("tag_value", ""),
    )
    assert second.path == f"{TES}/tasks/a%2Fb%3Fc"
    assert server.counts == {"ListTasks": 1, "GetTask": 1}


def test_credentials_are_looked_at():
    with running_server("funnel", basic="user:secret") as server:
        assert listed(server).status_code == 401
        url = f"{server.url}/v1/tasks"
        assert requests.get(url, auth=("user", "secret"), timeout=5).status_code == 200


def test_it_is_steered_over_http_also_while_it_fails(server):
    def set_faults(faults):
        return requests.post(f"{server.url}/_sim/faults", json=faults, timeout=5)

    assert set_faults({"answer": "hang_up"}).status_code == 200
    with pytest.raises(requests.ConnectionError):
        listed(server)
    assert set_faults({}).status_code == 200
    assert listed(server).status_code == 200
    shown = requests.get(f"{server.url}/_sim/requests", timeout=5).json()
    assert [one["status"] for one in shown["requests"]] == [0, 200]


def test_the_answer_to_a_post_may_get_lost(server):
    before = len(server.core.tasks())
    server.fail(answer=Answer.LOST, on="CreateTask")
    with pytest.raises(requests.ConnectionError):
        submit(server)
    assert len(server.core.tasks()) == before + 1


def test_a_slow_answer_holds_up_nobody_else(server):
    server.fail(delay=1, on="ListTasks")
    slow = threading.Thread(target=listed, args=(server,))
    slow.start()
    before = time.monotonic()
    assert requests.get(f"{server.url}{TES}/service-info", timeout=5).status_code == 200
    assert time.monotonic() - before < 0.9
    slow.join()


def test_a_slow_answer_comes_in_the_end(server):
    server.fail(delay=0.2)
    assert listed(server).elapsed.total_seconds() >= 0.2


def test_a_body_may_drip(server):
    server.fail(drip=0.01)
    before = time.monotonic()
    body = requests.get(f"{server.url}{TES}/tasks/x", timeout=5)
    assert body.json()["message"] == "task not found: x"
    assert time.monotonic() - before >= 0.01 * len(body.content)


def test_a_body_may_never_end_and_others_are_served_meanwhile(server):
    server.fail(answer=Answer.ENDLESS, on="ListTasks")
    with requests.get(f"{server.url}{TES}/tasks", stream=True, timeout=5) as answer:
        read = 0
        for chunk in answer.iter_content(2**16):
            read += len(chunk)
            if read > 10 * 2**20:
                break
        assert requests.get(f"{server.url}{TES}/service-info", timeout=5).status_code == 200
    assert read > 10 * 2**20


def test_a_redirect_is_one(server):
    server.fail(answer=Answer.REDIRECT)
    answer = requests.get(f"{server.url}{TES}/tasks", allow_redirects=False, timeout=5)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/_sim/elsewhere")


def test_it_ends_at_once_whoever_waits():
    with running_server("strict") as server:
        server.fail(delay=60)
        waiting = threading.Thread(target=pytest.raises, args=(OSError, listed, server, 30))
        waiting.start()
        eventually(lambda: server.counts)
        before = time.monotonic()
    assert time.monotonic() - before < 3
    waiting.join(5)
    assert not waiting.is_alive()


def test_it_comes_back_where_it_was():
    port = free_port()
    for _ in range(2):
        with running_server("strict", port=port) as server:
            assert listed(server).status_code == 200


def test_callbacks_come_in_order(listener):
    with running_server("pr176", speed=10) as server:
        task = submit(server, "true", "true", callback_url=listener.url)
        expected = ["INITIALIZING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETE"]
        eventually(lambda: listener.states(task) == expected)


def test_a_callback_comes_soon_after_the_move(listener):
    with running_server("pr176") as server:
        task = submit(server, script="QUEUED 0.2, COMPLETE", callback_url=listener.url)
        eventually(lambda: server.states()[task] == "COMPLETE")
        eventually(lambda: listener.told, patience=1)


@pytest.mark.parametrize("status", [404, 500, 302])
def test_the_sender_never_looks_at_the_answer(listener, status):
    listener.status = status
    with running_server("pr176", speed=10) as server:
        task = submit(server, callback_url=listener.url)
        eventually(lambda: len(listener.states(task)) == 4)
        assert listener.states(task)[-1] == "COMPLETE"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "nonsense", "ftp://x/", "http://[", ""])
def test_a_listener_that_is_not_there_stops_no_task(url):
    with running_server("pr176", speed=20) as server:
        task = submit(server, callback_url=url)
        eventually(lambda: server.states()[task] == "COMPLETE")


def test_a_slow_listener_holds_up_its_task_and_no_other(listener):
    listener.delay = 0.4
    with running_server("pr176", script="QUEUED 0.05, RUNNING 0.05, COMPLETE") as server:
        slow = submit(server, callback_url=listener.url)
        other = submit(server)
        eventually(lambda: server.states()[other] == "COMPLETE")
        assert server.states()[slow] != "COMPLETE"
        eventually(lambda: listener.states(slow) == ["QUEUED", "RUNNING", "COMPLETE"])


def test_a_restart_loses_what_is_under_way_and_replays_it(listener):
    with running_server("pr176") as server:
        task = submit(server, script="QUEUED, INITIALIZING, RUNNING", callback_url=listener.url)
        eventually(lambda: listener.states(task) == ["INITIALIZING", "RUNNING"])
        server.restart()
        eventually(lambda: listener.states(task) == ["INITIALIZING", "RUNNING"] * 2)


def test_a_thousand_tasks_call_back(listener):
    with running_server("pr176", finished=10_000, script="QUEUED 1, RUNNING 1, COMPLETE") as server:
        with requests.Session() as session:
            for _ in range(1000):
                task = a_task(callback_url=listener.url)
                assert session.post(f"{server.url}{TES}/tasks", json=task, timeout=10).ok
        eventually(lambda: len(listener.told) == 3000, patience=60)
        last = dict(listener.told)
        assert len(last) == 1000
        assert set(last.values()) == {"COMPLETE"}


@pytest.mark.parametrize("profile", ["funnel", "strict"])
def test_ten_thousand_tasks_are_listed_without_trouble(profile):
    with running_server(profile, finished=9_900, still_open=100) as server:
        before = time.monotonic()
        assert len(listed(server, state="RUNNING").json()["tasks"]) == 100
        found, token = 0, ""
        while token is not None:
            page = listed(server, page_size=2047, page_token=token).json()
            found += len(page["tasks"])
            token = page.get("next_page_token") or None
        assert found == 10_000
        assert time.monotonic() - before < 5
