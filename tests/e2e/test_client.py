"""The Python client against the real service."""

import pytest
from callback_client import CallbackClient, verify

from tests.e2e.conditions import until
from tests.e2e.receivers import Answer
from tests.e2e.system import TESK_MEANS, TESK_SENDS, call_back, new_task


@pytest.fixture(scope="module")
def broker():
    return "folder"


@pytest.fixture
def client(system):
    with CallbackClient(system.api.url, system.client.token) as one:
        yield one


def test_it_registers_and_verifies_what_arrives(client, receiver):
    task, run = new_task(), client.register("e2e", sink=receiver.url)
    receiver.trust(run.secret)
    for state in TESK_SENDS:
        assert call_back(run.callback_url, task, state).status_code == 204
    receiver.until_told(task, *TESK_MEANS)
    for delivery in receiver.accepted:
        said = verify(delivery.headers, delivery.text, run.secret)
        assert said["run"] == {"id": run.id, "name": "e2e"}
    until(lambda: client.run(run.id).owed == 0)


def test_where_one_ended_another_goes_on(client):
    task, run = new_task(), client.register()
    call_back(run.callback_url, task, "QUEUED")
    updates = client.updates(run.id, follow=False)
    assert [update.state for update in updates] == ["QUEUED"]
    call_back(run.callback_url, task, "COMPLETE")
    updates = client.updates(run.id, cursor=updates.cursor, follow=False)
    assert [update.state for update in updates] == ["COMPLETE"]


def test_it_steers_a_run(client, new_receiver):
    receiver = new_receiver(lambda _: Answer(410))
    task, run = new_task(), client.register(sink=receiver.url)
    receiver.trust(run.secret)
    call_back(run.callback_url, task, "RUNNING")
    until(lambda: client.run(run.id).status == "gone")
    receiver.answer = lambda _: Answer()
    client.resume(run.id)
    receiver.until_told(task, "RUNNING")
    # The receiver is told before the attempt is written down.
    until(lambda: [one.verdict for one in client.deliveries(run.id)] == ["told", "gone"])
    assert [one.state for one in client.states([task])] == ["RUNNING"]
    client.delete(run.id)
    assert call_back(run.callback_url, task, "COMPLETE").status_code == 404
