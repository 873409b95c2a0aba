"""Lists, cancels and the self-description, through the gateway."""

import json
from dataclasses import replace

import pytest

from callback_service.domain.errors import ServerFailed
from callback_service.domain.polling import CallsBack
from callback_service.domain.states import Source, State
from callback_service.domain.tes import Manner, Variant
from callback_service.relay.gateway.named import TaskPath
from callback_service.relay.gateway.passing import MOST_NOTED, NOTED_AT_ONCE
from callback_service.relay.ports import Tasks
from callback_service.tes_sim.reply import Reply
from tests.relay.gateway_service import TAG, GatewayService
from tests.relay.small_service import key


@pytest.fixture
def service() -> GatewayService:
    return GatewayService()


def manner() -> Manner:
    return Manner(True, Variant.GA4GH, TAG)


def cancel(service: GatewayService, task_id: str):
    return service.gateway.passing.cancel(service.visit(), TaskPath.read(task_id), "")


def service_info(service: GatewayService, *, is_old: bool = False, is_strict: bool = False):
    answer = service.gateway.passing.service_info(
        service.visit(), is_old=is_old, is_strict=is_strict
    )
    return json.loads(answer.body)


def test_a_list_is_the_servers(service):
    ids = [service.submitted() for _ in range(3)]
    page = service.page(query="&page_size=2&odd=%20")
    newest = [{"id": task_id, "state": "QUEUED"} for task_id in reversed(ids[1:])]
    assert page["tasks"] == newest
    assert page["next_page_token"]
    assert service.tes.put[-1].question.query == "view=MINIMAL&page_size=2&odd=%20"


def test_its_tasks_are_tidied(service):
    service.submitted(callback_url="https://listener.example.org/secret")
    (task,) = service.page("FULL")["tasks"]
    assert task["tags"] == {"n": "1"}
    assert "inputs" not in task


def test_a_state_in_it_is_an_update_of_a_task_that_somebody_follows(service):
    run_id, _ = service.register()
    followed = service.submitted(run_id=run_id)
    service.poll(followed)
    service.clock.advance(5)
    service.page("BASIC")
    assert service.task(followed).state is State.RUNNING
    assert service.task(followed).history[-1].source is Source.GATEWAY
    service.deliver()
    assert service.told(run_id) == [(followed, State.QUEUED), (followed, State.RUNNING)]


def test_tasks_that_nobody_asked_for_do_not_become_known(service):
    task_id = service.submitted()
    service.page(visit=service.visit(owner="bob"))
    assert service.tasks.load([key(task_id, "bob")]) == {}


def test_a_page_may_be_older_than_a_callback_that_came_just_before(service):
    run_id, keys = service.register()
    task_id = service.submitted(run_id=run_id)
    service.clock.advance(5)
    service.call_back(keys, task_id, State.COMPLETE)
    service.clock.advance(1)
    service.page()
    assert service.task(task_id).state is State.COMPLETE


def test_a_callback_while_the_page_was_on_its_way_is_newer(service):
    run_id, keys = service.register()
    task_id = service.submitted(run_id=run_id)
    service.clock.advance(5)

    def call_back(put) -> None:
        service.clock.advance(7)
        service.call_back(keys, task_id, State.COMPLETE)
        service.clock.advance(0.5)

    service.tes.meanwhile = call_back
    service.page()
    assert service.task(task_id).state is State.COMPLETE


def test_a_page_without_news_writes_nothing(service):
    task_id = service.submitted()
    service.poll(task_id)
    service.clock.advance(60)
    service.poll(task_id)
    before = service.task(task_id)
    service.clock.advance(60)
    service.page()
    assert service.task(task_id) == before


def test_an_end_that_a_callback_told_is_confirmed_by_a_page(service):
    run_id, keys = service.register()
    task_id = service.submitted(run_id=run_id)
    service.clock.advance(60)
    service.call_back(keys, task_id, State.COMPLETE)
    service.clock.advance(5)
    assert not service.task(task_id).is_settled
    service.page()
    assert service.task(task_id).is_settled


class CountedTasks:
    """Notes how many tasks are loaded at once."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self.loads: list[int] = []

    def load(self, keys):
        self.loads.append(len(keys))
        return self.tasks.load(keys)


def answer_tasks(service: GatewayService, ids: list[str], state: State = State.RUNNING) -> None:
    body = json.dumps({"tasks": [{"id": task_id, "state": state} for task_id in ids]}).encode()
    headers = {"Content-Type": "application/json"}
    service.core.answer = lambda *args, now, **more: Reply(200, body, headers)


def test_of_a_long_list_the_first_tasks_are_looked_up_some_at_a_time(service):
    run_id, _ = service.register()
    followed = [service.submitted(run_id=run_id) for _ in range(2)]
    service.clock.advance(5)
    others = [f"other-{n}" for n in range(20_000)]
    answer_tasks(service, [*others[:1500], followed[0], *others[1500:], followed[1]])
    counted = CountedTasks(service.tasks)
    passing = replace(service.gateway.passing, tasks=counted)
    answer = passing.page(service.visit(), "", manner())
    assert len(json.loads(answer.body)["tasks"]) == 20_002
    assert max(counted.loads) <= NOTED_AT_ONCE
    assert sum(counted.loads) == MOST_NOTED
    assert [service.task(one).state for one in followed] == [State.RUNNING, State.UNKNOWN]


def test_a_database_that_fails_is_not_asked_for_the_rest_of_the_list(service):
    answer_tasks(service, [f"t{n}" for n in range(MOST_NOTED)])
    counted = CountedTasks(service.tasks)
    passing = replace(service.gateway.passing, tasks=counted)
    visit = service.visit()
    service.set_down()
    assert passing.page(visit, "", manner()).status == 200
    assert len(counted.loads) == 1


def test_others_get_their_turn_in_the_middle_of_a_long_list(service):
    answer_tasks(service, [f"t{n}" for n in range(20_000)])
    breaths: list[None] = []
    passing = replace(service.gateway.passing, breathe=lambda: breaths.append(None))
    passing.page(service.visit(), "", manner())
    assert len(breaths) > 10


def test_without_a_database_there_are_lists_all_the_same(service):
    service.submitted()
    service.set_down()
    assert len(service.page()["tasks"]) == 1


@pytest.mark.parametrize("answer", ["html", "truncated", "wrong_shape"])
def test_rubbish_is_the_servers_failure(service, answer):
    task_id = service.submitted()
    service.fail(answer=answer)
    for ask in (service.page, lambda: service_info(service)):
        with pytest.raises(ServerFailed):
            ask()
    if answer != "wrong_shape":
        with pytest.raises(ServerFailed):
            cancel(service, task_id)


def test_errors_of_the_server_keep_their_status_and_their_words(service):
    service.fail(answer="error", status=503)
    visit = service.visit()
    answer = service.gateway.passing.page(visit, "", None)
    assert answer.status == 503
    assert answer.detail is None
    assert json.loads(answer.body)


def test_errors_without_json_are_told_in_our_words(service):
    headers = {"Content-Type": "text/html", "Retry-After": "7", "X-Odd": "y"}
    for body in (b"<script>", b"[" * 100_000, b'"' + b"x" * 70_000 + b'"'):
        service.core.answer = lambda *args, now, body=body, **more: Reply(503, body, headers)
        answer = service.gateway.passing.page(service.visit(), "", None)
        assert (answer.status, answer.body) == (503, b"")
        assert answer.detail == "the TES server answered 503, and nothing that could be handed on"
        assert answer.headers == {"Retry-After": "7"}


def test_what_a_server_says_of_its_errors_is_handed_on(service):
    headers = {
        "WWW-Authenticate": 'Basic realm="x"',
        "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT",
    }
    service.core.answer = lambda *args, now, **more: Reply(429, b"{}", headers)
    assert service.gateway.passing.page(service.visit(), "", None).headers == headers


@pytest.mark.parametrize("value", ["soon", "1\r\nSet-Cookie: a=b", "-1", "9" * 20])
def test_a_header_that_is_none_is_not_handed_on(service, value):
    service.core.answer = lambda *args, now, **more: Reply(503, b"{}", {"Retry-After": value})
    assert service.gateway.passing.page(service.visit(), "", None).headers == {}


@pytest.mark.parametrize("status", [304, 199, 399, 600])
def test_an_answer_that_is_none_is_a_failure(service, status):
    service.core.answer = lambda *args, now, **more: Reply(status, b"{}")
    with pytest.raises(ServerFailed, match=f"answered {status}"):
        service.page()


def test_a_cancel_is_the_servers_and_wakes_the_workers(service):
    task_id = service.submitted()
    service.clock.advance(6)
    answer = cancel(service, task_id)
    assert (answer.status, json.loads(answer.body)) == (200, {})
    assert service.is_wanted()
    assert service.state(task_id) == "CANCELED"


def test_a_cancel_that_the_server_refuses_is_refused(service):
    assert cancel(service, "nobodys").status == 404


def test_a_server_is_said_to_call_back(service):
    info = service_info(service)
    assert info["callback_supported"] is True
    assert info["id"] == "tes-sim.funnel"


def test_but_not_to_clients_that_break_on_it(service):
    assert "callback_supported" not in service_info(service, is_strict=True)


def test_oldest_clients_know_another_self_description(service):
    assert service_info(service, is_old=True).keys() == {"name", "doc", "storage"}


def test_old_clients_are_shown_tes_1_0(service):
    service.submitted(executors=[{"image": "a", "command": ["b"], "ignore_error": True}])
    (new,), (old,) = (
        service.page("FULL", visit=service.visit(variant))["tasks"]
        for variant in (Variant.GA4GH, Variant.V1)
    )
    assert new["executors"] == [{"image": "a", "command": ["b"], "ignore_error": True}]
    assert old["executors"] == [{"image": "a", "command": ["b"]}]


def test_who_cancelled_reads_so_at_once_though_the_server_does_not_call_back(service):
    service.servers.save(replace(service.server, calls_back=CallsBack.YES))
    task_id = service.submitted()
    service.clock.advance(2)
    assert service.state(task_id) == "RUNNING"
    assert cancel(service, task_id).status == 200
    service.clock.advance(0.1)
    assert service.task(task_id).state is State.CANCELED


def test_a_server_that_says_nothing_after_a_cancel_has_cancelled_all_the_same(service):
    task_id = service.submitted()
    service.fail(answer="error", status=500, on="GetTask")
    assert cancel(service, task_id).status == 200
