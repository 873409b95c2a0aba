"""The callback URL that servers which call back get for tasks from the gateway."""

import json
from dataclasses import dataclass, replace

import pytest

from callback_service.domain.errors import InvalidInput, ServerFailed
from callback_service.domain.polling import CallsBack
from callback_service.domain.run import RunStatus
from callback_service.domain.server import DEFAULT_SERVER, Server
from callback_service.domain.states import State
from callback_service.domain.task import TaskKey
from callback_service.relay.gateway.announced import LIFE, Announced
from callback_service.relay.gateway.listener import LOOKED_UP_FOR
from callback_service.relay.ports import Reply
from callback_service.relay.receive import Callback
from tests.relay.gateway_service import LISTENER, GatewayService
from tests.tes_sim.running import new_core

OWN_URL = "https://callbacks.example.org/"


def service_of(profile: str, calls_back: CallsBack) -> GatewayService:
    service = GatewayService(core=new_core(profile), own_url=OWN_URL)
    service.servers.save(replace(service.server, calls_back=calls_back))
    service.gateway = service.process()
    return service


@pytest.fixture
def service() -> GatewayService:
    return service_of("pr176", CallsBack.YES)


def urls(service: GatewayService) -> list[str | None]:
    """What the server was handed, first task first."""
    tasks = sorted(service.core.tasks(), key=lambda task: task.number)
    return [task.callback_url for task in tasks]


def test_a_server_that_calls_back_is_told_whom_to_call(service):
    task_id = service.submitted(callback_url=LISTENER)
    (url,) = urls(service)
    assert url.startswith(f"{OWN_URL}callbacks/")
    service.receiver.receive(Callback(url.rpartition("/")[2], task_id, State.RUNNING))
    task = service.task(task_id)
    assert task.state == "RUNNING"
    # The client's own listener is owed it; ours only listens.
    assert len(task.owed) == 1
    assert len(task.runs) == 2


def test_it_is_the_same_url_for_all_tasks_of_an_owner_and_of_all_processes(service):
    service.submitted()
    service.submitted(gateway=service.process())
    service.submitted(visit=service.visit(owner="somebody else"))
    first, second, third = urls(service)
    assert first == second != third


@pytest.mark.parametrize("calls_back", [CallsBack.UNKNOWN, CallsBack.NO])
def test_others_get_none(calls_back):
    service = service_of("funnel", calls_back)
    service.submitted()
    assert urls(service) == [None]


@dataclass
class Announcing:
    """A TES server that says whether it takes callback URLs; or it fails, or talks rubbish."""

    body: bytes = b""
    asked: int = 0

    def ask(self, _server, question):
        self.asked += 1
        assert question.path == "/service-info"
        if not self.body:
            raise ServerFailed("it is down")
        return Reply(200, self.body)


def test_a_server_is_asked_once_in_a_while_whether_it_takes_one(service):
    server, clock = Announcing(b'{"callback_supported": true}'), service.clock
    announced = Announced(server, clock, aside=lambda work: work())
    assert announced.takes_urls(service.visit())
    server.body = b'{"callback_supported": "yes"}'
    assert announced.takes_urls(service.visit())
    assert server.asked == 1
    clock.advance(LIFE.total_seconds())
    assert not announced.takes_urls(service.visit())


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"{}", b"[" * 100_000])
def test_what_says_nothing_takes_none(service, body):
    announced = Announced(Announcing(body), service.clock, aside=lambda work: work())
    assert not announced.takes_urls(service.visit())


def test_a_server_that_announces_it_gets_one_though_nobody_knows_that_it_calls():
    service = service_of("pr176", CallsBack.UNKNOWN)
    listener = service.gateway.submitter.listener
    assert listener.url_for(service.visit(), service.visit().owner) is None
    server = Announcing(b'{"callback_supported": true}')
    listener.announced = Announced(server, service.clock, aside=lambda work: work())
    assert listener.url_for(service.visit(), service.visit().owner).startswith(OWN_URL)


def test_who_calls_back_but_takes_no_url_gets_the_task_without_one():
    service = service_of("funnel", CallsBack.YES)
    service.submitted()
    service.submitted()
    assert urls(service) == [None, None]
    # The first one was refused with the URL, and handed in again without.
    assert [one for one in service.asked if one.startswith("POST")] == ["POST /tasks"] * 3


def test_what_is_wrong_with_a_task_is_said_by_the_server(service):
    answer = service.submit(body='{"executors": 1}')
    assert answer.status == 400
    service.submitted()
    assert urls(service)[-1] is not None


def test_without_a_database_the_task_is_handed_on_without_one(service):
    service.submitted()
    service.set_down()
    service.clock.advance(LOOKED_UP_FOR.total_seconds())
    assert service.submit().status == 200
    assert urls(service)[-1] is None


def test_a_listener_that_was_deleted_is_not_called_any_more(service):
    task_id = service.submitted()
    (url,) = urls(service)
    service.runs.change(url.rpartition("/")[2].partition(".")[0], {"status": RunStatus.ENDING})
    service.clock.advance(LOOKED_UP_FOR.total_seconds())
    service.submitted()
    assert urls(service)[-1] is None
    assert service.task(task_id)


def test_nothing_of_it_without_an_address_of_ours(service):
    listener = service.gateway.submitter.listener
    listener.own_url = None
    assert listener.url_for(service.visit(), service.visit().owner) is None
    assert service.visit().server.key == DEFAULT_SERVER


class TestOwnCallbackUrl:
    """A callback URL of this service names its run, whoever's it is: whoever has it may."""

    def url_of(self, service, **wanted):
        run_id, keys = service.register(**wanted)
        return run_id, f"{OWN_URL}callbacks/{keys.token}"

    def test_the_task_joins_the_run_and_nothing_is_posted_to_ourselves(self, service):
        run_id, url = self.url_of(service)
        task_id = service.submitted(callback_url=url)
        assert service.task(task_id).runs == (run_id,)

    def test_also_where_callers_are_known_by_other_credentials(self, service):
        run_id, url = self.url_of(service)
        answer = service.submit(visit=service.visit(owner="fp:somebody"), callback_url=url)
        assert answer.headers["X-Callback-Registered"] == "true"
        (task,) = service.core.tasks()
        assert service.task(task.id).runs == (run_id,)
        assert service.task(task.id).is_tagged
        theirs = TaskKey("fp:somebody", DEFAULT_SERVER, task.id)
        assert service.tasks.load([theirs])[theirs].runs == ()

    def test_the_run_is_told_by_callbacks_also_of_a_caller_who_is_somebody_else(self, service):
        run_id, url = self.url_of(service)
        answer = service.submit(visit=service.visit(owner="anonymous"), callback_url=url)
        task_id = json.loads(answer.body)["id"]
        (given,) = urls(service)
        service.receiver.receive(Callback(given.rpartition("/")[2], task_id, State.RUNNING))
        assert service.task(task_id).state == "RUNNING"
        assert service.task(task_id).owed == {run_id}

    @pytest.mark.parametrize("token", ["", "r1.x", "../healthz"])
    def test_one_that_no_run_has_is_refused_before_anything_is_submitted(self, service, token):
        with pytest.raises(InvalidInput, match="no run has it"):
            service.submit(callback_url=f"{OWN_URL}callbacks/{token}")
        assert service.asked == []

    def test_one_of_a_run_on_another_server_too(self, service):
        service.servers.add(Server("other", "http://other:8000", service.clock.now()))
        _, url = self.url_of(service, server="other")
        with pytest.raises(InvalidInput, match="a run of server 'other'"):
            service.submit(callback_url=url)
