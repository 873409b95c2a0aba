"""Clients as they are, told another URL: the gateway's.

What they cannot do alone is in `test_clients_alone.py`.
"""

import time

import pytest
import requests

from callback_service.tes_sim.faults import Answer, On
from tests.e2e.conditions import until
from tests.engines.clients import NEW, OLD, Raised
from tests.engines.conftest import CREDENTIALS
from tests.engines.tasks import PROFILES, SLOW, VIEWS, cancel_a_task, new_task, run_a_task
from tests.tes_sim.running import running_server

every_profile = pytest.mark.parametrize("profile", PROFILES)
only_new = pytest.mark.parametrize("version", [NEW], indirect=True)
only_old = pytest.mark.parametrize("version", [OLD], indirect=True)


@every_profile
def test_every_client_runs_and_cancels_tasks_on_every_server(system, register, connect, profile):
    with running_server(profile) as server:
        client = connect(register(server), token=system.client.token)
        run_a_task(client)
        cancel_a_task(client)


def test_the_default_server_is_where_the_service_is(system, register, connect):
    with running_server("funnel") as server:
        register(server, access="open", default=True)
        # Which one is the default is looked up a few times a second.
        info = f"{system.api.url}/service-info"
        until(lambda: requests.get(info, timeout=10).json().get("id") == "tes-sim.funnel")
        assert run_a_task(connect(system.api.url)) in server.states()


@every_profile
def test_every_client_reads_what_every_server_says_of_itself(register, connect, profile):
    with running_server(profile) as server:
        url = register(server, access="open")
        said = connect(url).get_service_info()
        assert said["name"] == f"Simulated TES server ({profile})"
        # Which those are told that do not break on it.
        path = f"{url}/ga4gh/tes/v1/service-info"
        assert requests.get(path, timeout=10).json()["callback_supported"] is True


def test_a_server_that_does_not_know_callback_urls_gets_its_tasks_without_one(register, connect):
    """Although somebody said that it calls back."""
    with running_server("funnel") as server:
        client = connect(register(server, access="open", calls_back="yes"))
        assert [client.create_task(new_task())] == list(server.states())


@every_profile
def test_clients_read_nothing_that_the_gateway_put_into_a_task(
    system, register, connect, receiver, profile
):
    with running_server(profile) as server:
        url, submitted = register(server, access="open"), new_task()
        with_callback = {**submitted, "callback_url": receiver.url}
        answer = requests.post(f"{url}/ga4gh/tes/v1/tasks", json=with_callback, timeout=10)
        task_id = answer.json()["id"]
        (task,) = server.core.tasks()
        assert task.body["tags"].items() > submitted["tags"].items()
        client = connect(url)
        assert client.get_task(task_id, "MINIMAL").keys() == {"id", "state"}
        for view in VIEWS[1:]:
            assert client.get_task(task_id, view)["tags"] == submitted["tags"]
            (listed,) = client.list_tasks(view)["tasks"]
            assert listed["tags"] == submitted["tags"]


@only_old
@pytest.mark.parametrize(
    ("state", "read"),
    [("PREEMPTED", "SYSTEM_ERROR"), ("CANCELING", "RUNNING"), ("PAUSED", "RUNNING")],
)
def test_the_old_client_reads_none_but_the_states_that_it_knows(register, connect, state, read):
    with running_server("strict") as server:
        client = connect(register(server, access="open"))
        task_id = client.create_task(new_task(script=state))
        assert {client.get_task(task_id, view)["state"] for view in VIEWS} == {read}
        assert {client.list_tasks(view)["tasks"][0]["state"] for view in VIEWS} == {read}


@only_new
@pytest.mark.parametrize("profile", ["funnel", "strict"])
@pytest.mark.parametrize("answer", [Answer.LOST, Answer.ERROR, Answer.TRUNCATED])
def test_a_submission_that_failed_is_not_made_again_on_other_paths(
    register, connect, profile, answer
):
    with running_server(profile) as server:
        client = connect(register(server, access="open"))
        server.fail(answer=answer, on=On.CREATE, times=1)
        task = new_task()
        with pytest.raises(Raised, match="HTTPError: 50"):
            client.create_task(task)
        assert server.counts["CreateTask"] == 1
        # The next time it is meant.
        assert client.create_task(task) in server.states()
        assert server.counts["CreateTask"] == 2


@only_new
def test_a_submission_that_takes_too_long_is_made_once(register, connect):
    with running_server("funnel") as server:
        client = connect(register(server, access="open"))
        server.fail(delay=4, on=On.CREATE, times=1)
        with pytest.raises(Raised, match="HTTPError: 504"):
            client.create_task(new_task())
        assert server.counts["CreateTask"] == len(server.states()) == 1


def test_equal_tasks_are_as_many_tasks_as_were_submitted(register, connect):
    with running_server("funnel") as server:
        client, task = connect(register(server, access="open")), new_task()
        assert {client.create_task(task) for _ in range(3)} == server.states().keys()
        assert len(server.states()) == 3


def test_without_a_token_nobody_reaches_a_server_that_asks_for_one(register, connect):
    with running_server("funnel") as server:
        client = connect(register(server))
        for ask in (lambda: client.create_task(new_task()), client.list_tasks):
            with pytest.raises(Raised, match="401"):
                ask()
        assert server.core.journal.total == 0


def test_an_open_server_is_shown_the_operators_credentials(register, connect):
    """Also by the old client, which shows `None:None` where it has none."""
    with running_server("funnel", token=CREDENTIALS) as server:
        client = connect(register(server, access="open", credentials="sim"))
        run_a_task(client)


def test_credentials_are_passed_on_where_they_are_the_servers_business(register, connect):
    with running_server("funnel", token="the-callers") as server:
        url = register(server, access="pass")
        run_a_task(connect(url, token="the-callers"))
        with pytest.raises(Raised, match="401"):
            connect(url, token="of-somebody-else").list_tasks()


@only_old
def test_what_the_old_client_shows_where_it_has_no_credentials_is_not_passed_on(register, connect):
    with running_server("funnel", basic="None:None") as server:
        client = connect(register(server, access="pass"))
        with pytest.raises(Raised, match="401"):
            client.create_task(new_task())
        assert server.states() == {}


@every_profile
def test_a_task_that_nobody_knows_is_not_found(register, connect, profile):
    with running_server(profile) as server:
        client = connect(register(server, access="open"))
        with pytest.raises(Raised, match="404"):
            client.get_task("task-of-nobody", "MINIMAL")


def test_clients_of_a_server_that_is_away_are_told_so(register, connect):
    with running_server("funnel") as server:
        client = connect(register(server, access="open"))
        client.create_task(new_task())
        server.restart(down=60)
        with pytest.raises(Raised, match="502"):
            client.list_tasks()


@pytest.mark.parametrize(("profile", "calls_back"), [("funnel", "unknown"), ("pr176", "yes")])
def test_waiting_for_many_tasks_costs_the_server_little_and_misses_nothing(
    system, register, connect, receiver, *, profile, calls_back
):
    """Each of the clients looks at its task twice a second, which would be 140 requests."""
    with running_server(profile) as server:
        client = connect(register(server, calls_back=calls_back), token=system.client.token)
        tags = {"callback-service-run": system.client.register(receiver).id}
        begun = time.monotonic()
        task_ids = [client.create_task(new_task(SLOW, tags)) for _ in range(20)]
        waited = client.wait_for_all(task_ids, 30)
        seconds = time.monotonic() - begun
        assert [one["state"] for one in waited] == ["COMPLETE"] * 20
        for task_id in task_ids:
            receiver.until_told(task_id, "QUEUED", "RUNNING", "COMPLETE")
        # For each the first look, when nothing is known yet; and one to confirm its end.
        assert server.counts.get("GetTask", 0) <= 40
        # All at once every 0.4 s, for somebody waits; a few to find out what lists can do.
        lists = 4 if calls_back == "yes" else 4 + seconds / 0.4
        assert server.counts.get("ListTasks", 0) <= lists
