"""What the clients do when they ask TES servers directly, and where that ends.

Each end is a reason for something that the gateway does.
"""

import pytest

from callback_service.tes_sim.faults import Answer, On
from tests.engines.clients import NEW, OLD, Raised
from tests.engines.tasks import PROFILES, VIEWS, cancel_a_task, new_task, run_a_task
from tests.tes_sim.running import running_server

only_new = pytest.mark.parametrize("version", [NEW], indirect=True)
only_old = pytest.mark.parametrize("version", [OLD], indirect=True)


def test_no_client_has_a_field_for_the_url_of_callbacks(connect):
    """So that is said by a tag, or by who comes after them."""
    client = connect("http://127.0.0.1:1")
    with pytest.raises(Raised, match="unexpected keyword argument 'callback_url'"):
        client.create_task({**new_task(), "callback_url": "http://127.0.0.1:1/"})


@only_new
@pytest.mark.parametrize("profile", PROFILES)
def test_the_new_client_runs_and_cancels_tasks_on_every_server(connect, profile):
    with running_server(profile) as server:
        client = connect(server.url)
        run_a_task(client)
        cancel_a_task(client)


@only_new
@pytest.mark.parametrize("profile", PROFILES)
def test_the_new_client_reads_what_servers_say_of_themselves(connect, profile):
    with running_server(profile) as server:
        assert connect(server.url).get_service_info()["id"] == f"tes-sim.{profile}"


@only_new
def test_the_new_client_submits_a_second_task_where_an_answer_was_lost(connect):
    with running_server("funnel") as server:
        server.fail(answer=Answer.LOST, on=On.CREATE, times=1)
        task_id = connect(server.url).create_task(new_task())
        assert len(server.states()) == 2
        assert task_id in server.states()


@only_old
@pytest.mark.parametrize("profile", ["strict", "tesk", "pr176"])
def test_the_old_client_asks_where_most_servers_are_not(connect, profile):
    with running_server(profile) as server:
        client = connect(server.url)
        for ask in (
            lambda: client.create_task(new_task()),
            client.list_tasks,
            client.get_service_info,
        ):
            with pytest.raises(Raised, match="404 Client Error"):
                ask()


@only_old
@pytest.mark.parametrize("view", VIEWS)
def test_the_old_client_dies_of_fields_that_are_null(connect, view):
    with running_server("funnel") as server:
        client = connect(server.url)
        without_resources = new_task()
        del without_resources["resources"]
        task_id = client.create_task(without_resources)
        for ask in (lambda: client.get_task(task_id, view), lambda: client.list_tasks(view)):
            with pytest.raises(Raised, match="j must be a str or dict"):
                ask()


@only_old
@pytest.mark.parametrize("view", ["BASIC", "FULL"])
def test_the_old_client_dies_of_fields_that_are_new_in_tes_1_1(connect, view):
    with running_server("funnel") as server:
        client = connect(server.url)
        task_id = client.create_task(new_task())
        for ask in (lambda: client.get_task(task_id, view), lambda: client.list_tasks(view)):
            with pytest.raises(Raised, match="unexpected keyword argument 'ignore_error'"):
                ask()


@only_old
def test_the_old_client_never_learns_that_its_task_has_ended(connect):
    with running_server("funnel", script="COMPLETE") as server:
        client = connect(server.url)
        task_id = client.create_task(new_task("COMPLETE"))
        with pytest.raises(Raised, match="NoneType"):
            client.wait(task_id, 1)


@only_old
def test_the_old_client_shows_credentials_where_it_has_none(connect):
    with running_server("funnel", basic="None:None") as server:
        assert connect(server.url).create_task(new_task()) in server.states()
