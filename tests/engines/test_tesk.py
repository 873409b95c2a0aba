"""TESK as it is released, and with its unmerged sender, which the profile `pr176` plays.

What is said of it in docs/integrations/tesk.md; TESK itself would need a Kubernetes.
"""

import pytest
import requests

from tests.e2e.conditions import until
from tests.engines.tasks import new_task
from tests.tes_sim.running import TES, running_server

SCRIPT = "QUEUED 0.2, RUNNING 0.5, COMPLETE"
ENDED = {"COMPLETE": 1}


def run_at(system, url=None):
    """A run whose tasks are at the server behind this gateway; without one, at none known."""
    return system.client.register(**({"server": url.rpartition("/")[2]} if url else {}))


def submit(url, token="", **fields):
    body, shown = {**new_task(SCRIPT), **fields}, {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{url}{TES}/tasks", json=body, headers=shown, timeout=10)
    answer.raise_for_status()
    return answer.json()["id"]


def told(system, run):
    updates = system.client.get(f"{run.path}/updates")["updates"]
    return [(one["state"], one["source"]) for one in updates]


def until_ended(run):
    until(lambda: run.show()["tasks"] == ENDED, what=lambda: run.show()["tasks"])


def test_a_task_with_the_callback_url_of_a_run_calls_back(system):
    """Nobody but the client and TESK: the server is not even registered."""
    run = run_at(system)
    with running_server("pr176") as server:
        submit(server.url, callback_url=run.callback_url)
        until_ended(run)
    assert {source for _, source in told(system, run)} == {"callback"}
    assert [state for state, _ in told(system, run)][-2:] == ["RUNNING", "COMPLETE"]


def test_the_gateway_gives_the_server_a_callback_url_of_its_own(system, register):
    with running_server("pr176") as server:
        url = register(server, calls_back="yes")
        run = run_at(system, url)
        submit(url, system.client.token, callback_url=run.callback_url)
        (task,) = server.core.tasks()
        assert task.callback_url.startswith(f"{system.api.url}/callbacks/")
        assert task.callback_url != run.callback_url
        until_ended(run)
        assert ("COMPLETE", "callback") in told(system, run)


def test_tesk_as_it_is_refuses_a_callback_url_and_is_asked_instead(system, register):
    with running_server("tesk") as server:
        url = register(server)
        run = run_at(system, url)
        with pytest.raises(requests.HTTPError, match="400"):
            submit(server.url, callback_url=run.callback_url)
        submit(url, system.client.token, callback_url=run.callback_url)
        until_ended(run)
        assert {source for _, source in told(system, run)} <= {"poll", "gateway"}
