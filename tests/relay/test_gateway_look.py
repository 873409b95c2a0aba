"""`GET /tasks/{id}` through the gateway."""

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from callback_service.domain.errors import ServerFailed, Unknown
from callback_service.domain.polling import CallsBack, Polling
from callback_service.domain.server import DEFAULT_SERVER, Access
from callback_service.domain.states import Source, State
from callback_service.domain.tes import Variant
from callback_service.relay.gateway.acceptance import AGAIN
from callback_service.relay.gateway.named import TaskPath
from callback_service.tes_sim.reply import json_reply
from tests.fakes.fuse import Fuse
from tests.relay.gateway_service import TAG, GatewayService
from tests.relay.small_service import key
from tests.tes_sim.running import new_core

MINE = "Bearer the-callers-own"


@pytest.fixture
def service() -> GatewayService:
    return GatewayService()


def asked_for(service: GatewayService, task_id: str) -> int:
    return service.asked.count(f"GET /tasks/{task_id}")


# ---- from what is known, or from the server ----


def test_what_the_server_said_a_moment_ago_is_told_without_asking_it(service):
    task_id = service.submitted()
    assert service.state(task_id) == "QUEUED"
    for _ in range(10):
        assert service.state(task_id) == "QUEUED"
    assert asked_for(service, task_id) == 1


def test_a_minimal_answer_is_exactly_the_id_and_the_state(service):
    task_id = service.submitted()
    for _ in range(2):
        answer = service.look(task_id)
        assert json.loads(answer.body) == {"id": task_id, "state": "QUEUED"}
        assert answer.headers == {}


def test_what_is_not_fresh_is_asked(service):
    task_id = service.submitted()
    assert service.state(task_id) == "QUEUED"
    service.clock.advance(3)
    assert service.state(task_id) == "RUNNING"
    assert asked_for(service, task_id) == 2


def test_what_a_poll_covered_is_fresh(service):
    task_id = service.submitted()
    service.state(task_id)
    service.clock.advance(1.5)
    service.servers.claim(service.servers.find(DEFAULT_SERVER), service.clock.now())
    service.poll(task_id)
    polling = Polling(covered_at=service.clock.advance(1.5))
    assert service.servers.polled(DEFAULT_SERVER, 1, polling)
    assert service.state(task_id) == "RUNNING"
    assert asked_for(service, task_id) == 1


def test_a_server_that_calls_back_is_not_asked_while_it_tells(service):
    service.servers.save(replace(service.server, calls_back=CallsBack.YES))
    service.clock.advance(1)
    run_id, keys = service.register()
    task_id = service.submitted(run_id=run_id)
    service.call_back(keys, task_id, State.RUNNING)
    service.clock.advance(50)
    assert service.state(task_id) == "RUNNING"
    assert asked_for(service, task_id) == 0
    service.clock.advance(20)
    assert service.state(task_id) == "COMPLETE"
    assert asked_for(service, task_id) == 1


def test_but_for_a_task_that_was_submitted_elsewhere_it_has_nobody_to_call(service):
    service.servers.save(replace(service.server, calls_back=CallsBack.YES))
    service.clock.advance(1)
    task_id = _submitted_elsewhere(service)
    assert service.state(task_id) == "QUEUED"
    service.clock.advance(20)
    assert service.state(task_id) == "COMPLETE"


@pytest.mark.parametrize("is_ours", [True, False])
def test_an_error_of_the_system_is_believed_when_it_lasts(service, is_ours):
    in_error = {"tes-sim": "SYSTEM_ERROR"}
    task_id = (
        service.submitted(tags=in_error) if is_ours else _submitted_elsewhere(service, in_error)
    )
    # Clients would take UNKNOWN for an end.
    assert service.state(task_id) == "QUEUED"
    service.clock.advance(4)
    assert service.state(task_id) == "QUEUED"
    service.clock.advance(2)
    assert service.state(task_id) == "SYSTEM_ERROR"
    assert service.task(task_id).is_settled


def test_and_polls_believe_it_too(service):
    run_id, _ = service.register()
    task_id = service.submitted(run_id=run_id, tags={"tes-sim": "SYSTEM_ERROR"})
    service.poll(task_id)
    assert service.task(task_id).state is State.UNKNOWN
    service.clock.advance(6)
    service.poll(task_id)
    assert service.task(task_id).state is State.SYSTEM_ERROR


def test_a_slow_answer_is_as_old_as_the_question(service):
    task_id = service.submitted()
    asked_at = service.clock.now()
    service.tes.meanwhile = lambda put: service.clock.advance(7)
    service.state(task_id)
    service.tes.meanwhile = lambda put: None
    task = service.task(task_id)
    assert task.confirmed_at == asked_at
    assert task.heard_at == task.history[0].at == service.clock.now()
    service.state(task_id)
    assert asked_for(service, task_id) == 2


def test_and_does_not_take_back_an_end_that_was_told_just_before_it(service):
    """The server called it RUNNING then, and has settled since."""
    run_id, keys = service.register()
    task_id = service.submitted(run_id=run_id)
    service.call_back(keys, task_id, State.COMPLETE)
    service.core.answer = _saying(task_id, "RUNNING")
    service.tes.meanwhile = lambda put: service.clock.advance(7)
    service.look(task_id, "FULL")
    assert service.task(task_id).state is State.COMPLETE


def test_an_end_is_told_for_ever(service):
    task_id = service.submitted()
    service.clock.advance(60)
    assert service.state(task_id) == "COMPLETE"
    service.clock.advance(86_400)
    assert service.state(task_id) == "COMPLETE"
    assert asked_for(service, task_id) == 1


def test_a_task_that_nobody_submitted_here_becomes_known_by_a_look(service):
    task_id = _submitted_elsewhere(service)
    assert service.state(task_id) == "QUEUED"
    assert service.task(task_id).history[0].source is Source.GATEWAY
    assert service.state(task_id) == "QUEUED"
    assert asked_for(service, task_id) == 1


def _submitted_elsewhere(service: GatewayService, tags: dict[str, str] | None = None) -> str:
    executors = [{"image": "a", "command": ["sleep", "10"]}]
    body = json.dumps({"executors": executors, "tags": tags or {}}).encode()
    answer = service.core.answer("POST", "/v1/tasks", (), body, now=service.clock.now())
    return json.loads(answer.body)["id"]


@pytest.mark.parametrize("view", ["BASIC", "FULL"])
def test_other_views_are_the_servers_and_tidied(service, view):
    task_id = service.submitted()
    for count in (1, 2):
        task = json.loads(service.look(task_id, view).body)
        assert task["tags"] == {"n": "1"}
        assert "callback_url" not in task
        assert asked_for(service, task_id) == count
    assert service.tes.put[-1].question.query == f"view={view}"


def test_their_states_are_updates_like_any_other(service):
    run_id, _ = service.register()
    task_id = service.submitted(run_id=run_id)
    service.look(task_id, "FULL")
    service.deliver()
    assert service.told(run_id) == [(task_id, State.QUEUED)]


def test_a_callback_that_came_meanwhile_is_newer_than_the_servers_answer(service):
    run_id, keys = service.register()
    task_id = service.submitted(run_id=run_id)
    service.tes.meanwhile = lambda put: service.call_back(keys, task_id, State.RUNNING)
    assert service.state(task_id) == "RUNNING"
    assert [update.state for update in service.task(task_id).history] == [State.RUNNING]


def test_a_server_that_does_not_know_takes_nothing_back(service):
    task_id = service.submitted()
    service.state(task_id)
    service.clock.advance(10)
    service.core.answer = _saying(task_id, "UNKNOWN")
    assert service.state(task_id) == "QUEUED"


def test_a_state_that_nobody_knows_is_handed_on_and_not_believed(service):
    task_id = service.submitted()
    service.core.answer = _saying(task_id, "INVENTED")
    assert service.state(task_id) == "INVENTED"
    assert service.task(task_id).seq == 0


def test_an_answer_about_another_task_is_not_believed(service):
    task_id = service.submitted()
    service.core.answer = _saying("another", "COMPLETE")
    service.look(task_id)
    assert service.task(task_id).seq == 0


def _saying(task_id: str, state: str):
    return lambda *args, now, **more: json_reply({"id": task_id, "state": state})


def test_old_clients_are_told_what_they_know(service):
    task_id = service.submitted()
    service.core.answer = _saying(task_id, "PREEMPTED")
    old = service.visit(Variant.V1)
    # The server's answer, and what is known of it.
    assert service.state(task_id, visit=old) == "SYSTEM_ERROR"
    assert service.state(task_id, visit=old) == "SYSTEM_ERROR"
    assert service.state(task_id) == "PREEMPTED"


def test_a_task_that_the_server_does_not_know_is_not_found(service):
    answer = service.look("nobodys")
    assert answer.status == 404
    assert "nobodys" in json.loads(answer.body)["error"]
    assert service.tasks.load([key("nobodys")]) == {}


@pytest.mark.parametrize(
    ("fault", "reason", "is_late"),
    [
        ({"answer": "html"}, "is no task: it is not JSON", False),
        ({"answer": "truncated"}, "is no task: it is not JSON", False),
        ({"answer": "wrong_shape"}, "is no task", False),
        ({"answer": "redirect"}, "redirects", False),
        ({"answer": "endless"}, "more than", False),
        ({"answer": "hang_up"}, "closed the connection", False),
        ({"delay": 9}, "did not answer within 8 s", True),
    ],
    ids=str,
)
def test_rubbish_is_the_servers_failure(service, fault, reason, is_late):
    task_id = service.submitted()
    service.fail(**fault)
    with pytest.raises(ServerFailed, match=reason) as raised:
        service.look(task_id)
    assert raised.value.is_late == is_late


def test_an_end_is_told_although_the_server_is_down(service):
    task_id = service.submitted()
    service.clock.advance(60)
    service.state(task_id)
    service.tes.down.add(DEFAULT_SERVER)
    assert service.state(task_id) == "COMPLETE"


def test_without_a_database_the_server_is_asked_and_nothing_is_put_down(service):
    task_id = service.submitted()
    service.set_down()
    assert service.state(task_id) == "QUEUED"
    assert service.state(task_id, "FULL") == "QUEUED"
    assert asked_for(service, task_id) == 2
    service.set_down(False)
    assert service.task(task_id).seq == 0


def test_a_database_that_fails_meanwhile_fails_no_look(service):
    task_id = service.submitted()
    service.tes.meanwhile = lambda put: service.set_down()
    assert service.state(task_id) == "QUEUED"


# ---- workers are woken ----


def test_whoever_looks_at_an_open_task_lets_its_server_be_asked_more(service):
    task_id = service.submitted()
    service.clock.advance(6)
    assert not service.is_wanted()
    service.state(task_id)
    assert service.is_wanted()


def test_once_a_second_however_many_look(service):
    fuse = Fuse()
    servers, service.servers = service.servers, fuse.protect(service.servers)
    gateway, service.servers = service.process(), servers
    task_id = service.submitted()
    for _ in range(50):
        service.state(task_id, gateway=gateway)
        service.clock.advance(0.1)
    assert fuse.calls.count("FakeServers.want") == 5


def test_nobody_waits_for_a_task_that_has_ended(service):
    task_id = service.submitted()
    service.clock.advance(60)
    service.state(task_id)
    service.state(task_id)
    assert not service.is_wanted()


# ---- Prefer: wait ----


def later(seconds: float, do) -> threading.Thread:
    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


def test_a_wait_ends_when_the_state_changes(service):
    run_id, keys = service.register()
    task_id = service.submitted(run_id=run_id)
    service.state(task_id)
    telling = later(0.1, lambda: service.call_back(keys, task_id, State.RUNNING))
    begun = time.monotonic()
    answer = service.look(task_id, wait=20)
    telling.join()
    assert json.loads(answer.body)["state"] == "RUNNING"
    assert answer.headers == {"Preference-Applied": "wait=20"}
    assert time.monotonic() - begun < 5


def test_a_wait_without_a_change_ends_with_the_state_as_it_is(service):
    task_id = service.submitted()
    assert service.look(task_id, wait=0).headers == {"Preference-Applied": "wait=0"}
    answer = service.look(task_id, wait=1)
    assert json.loads(answer.body)["state"] == "QUEUED"


def test_at_its_end_what_is_not_fresh_is_asked(service):
    task_id = service.submitted()
    service.state(task_id)
    passing = later(0.1, lambda: service.clock.advance(5))
    assert service.state(task_id, wait=1) == "RUNNING"
    passing.join()
    assert asked_for(service, task_id) == 2


@pytest.mark.parametrize("seconds", [3, 60], ids=["moved on", "ended"])
def test_who_asks_late_does_not_wait(service, seconds):
    """What was known before the server was asked is what the client saw last."""
    task_id = service.submitted()
    service.state(task_id)
    service.clock.advance(seconds)
    begun = time.monotonic()
    service.look(task_id, wait=20)
    assert time.monotonic() - begun < 5


def test_other_views_do_not_wait(service):
    assert service.look(service.submitted(), "FULL", wait=20).headers == {}


def test_a_task_that_is_not_found_is_not_waited_for(service):
    answer = service.look("nobodys", wait=20)
    assert (answer.status, answer.headers) == (404, {})


@pytest.mark.parametrize("end", ["QUEUED", "COMPLETE"])
def test_without_a_database_nobody_waits_and_nobody_asks_in_a_loop(service, end):
    task_id = service.submitted()
    service.clock.advance(60 if end == "COMPLETE" else 0)
    service.set_down()
    begun = time.monotonic()
    answer = service.look(task_id, wait=20)
    assert 0.9 < time.monotonic() - begun < 5
    assert json.loads(answer.body) == {"id": task_id, "state": end}
    assert answer.headers == {}
    assert asked_for(service, task_id) == 1


def test_without_a_database_nobody_is_kept_for_longer_than_was_asked_for(service):
    task_id = service.submitted()
    service.set_down()
    begun = time.monotonic()
    assert service.look(task_id, wait=0).headers == {}
    assert time.monotonic() - begun < 0.9


def test_in_a_state_that_nobody_knows_nobody_waits_either(service):
    task_id = service.submitted()
    service.core.answer = _saying(task_id, "INVENTED")
    begun = time.monotonic()
    answer = service.look(task_id, wait=20)
    assert 0.9 < time.monotonic() - begun < 5
    assert json.loads(answer.body)["state"] == "INVENTED"
    assert answer.headers == {}


def test_a_database_that_fails_meanwhile_ends_the_waiting(service):
    looker = replace(service.gateway.looker, say_again=0.2)
    service.gateway = replace(service.gateway, looker=looker)
    task_id = service.submitted()
    service.state(task_id)
    failing = later(0.1, service.set_down)
    begun = time.monotonic()
    answer = service.look(task_id, wait=20)
    assert 0.9 < time.monotonic() - begun < 5
    assert json.loads(answer.body)["state"] == "QUEUED"
    assert answer.headers == {}
    failing.join()


# ---- access: pass ----


@pytest.fixture
def passing() -> GatewayService:
    return GatewayService(core=new_core(token="the-callers-own"), access=Access.PASS)


def test_credentials_are_passed_on_and_kept_nowhere(passing):
    visit = passing.visit(authorization=MINE)
    task_id = passing.submitted(visit)
    assert {put.authorization for put in passing.tes.put} == {MINE}
    assert passing.state(task_id, visit=visit) == "QUEUED"
    kept = [vars(store) for store in passing.stores]
    assert "the-callers-own" not in repr(kept)
    assert visit.owner.startswith("fp:")


def test_who_was_let_in_is_answered_here_for_a_while(passing):
    visit = passing.visit(authorization=MINE)
    task_id = passing.submitted(visit)
    passing.clock.advance(40)
    assert passing.state(task_id, visit=visit) == "COMPLETE"
    for _ in range(3):
        passing.clock.advance(20)
        assert passing.state(task_id, visit=visit) == "COMPLETE"
    assert asked_for(passing, task_id) == 1
    passing.clock.advance(1)
    assert passing.state(task_id, visit=visit) == "COMPLETE"
    assert asked_for(passing, task_id) == 2


@pytest.mark.parametrize("other", ["Bearer somebody-elses", "bearer the-callers-own ", None])
def test_others_are_not_told_what_one_may_see(passing, other):
    mine = passing.visit(authorization=MINE)
    task_id = passing.submitted(mine)
    passing.state(task_id, visit=mine)
    visit = passing.visit(authorization=other) if other else passing.visit(owner="anonymous")
    assert passing.look(task_id, visit=visit).status == 401


def test_a_refusal_ends_answers_from_here_at_once_and_everywhere(passing):
    visit = passing.visit(authorization=MINE)
    one, two = passing.submitted(visit), passing.submitted(visit)
    passing.clock.advance(60)
    for task_id in (one, two):
        assert passing.state(task_id, visit=visit) == "COMPLETE"
    passing.clock.advance(1)
    # The server takes them no more.
    right, passing.core.answer = passing.core.answer, _refusing
    assert passing.look(one, "FULL", visit).status == 401
    for gateway in (passing.gateway, passing.process()):
        for task_id in (one, two):
            assert passing.look(task_id, visit=visit, gateway=gateway).status == 401
    # Until it takes them again.
    passing.core.answer = right
    passing.clock.advance(1)
    count = len(passing.asked)
    for _ in range(3):
        assert passing.state(one, visit=visit) == "COMPLETE"
    assert len(passing.asked) == count + 1


def _refusing(*args, now, **more):
    return json_reply({"error": "who are you"}, 401)


@pytest.fixture
def aside(passing):
    """What is done beside; here, when a test does it."""
    works = []
    passing.aside = works.append
    return works


@pytest.fixture
def refused(passing, aside):
    """Whoever was let in a moment ago is refused while the database is down."""
    visit = passing.visit(authorization=MINE)
    task_id = passing.submitted(visit)
    passing.clock.advance(60)
    passing.state(task_id, visit=visit)
    passing.clock.advance(1)
    right, passing.core.answer = passing.core.answer, _refusing
    passing.set_down()
    for _ in range(3):
        assert passing.look(task_id, visit=visit).status == 401
    passing.core.answer = right
    passing.clock.advance(5)
    return visit, task_id


def test_a_refusal_while_the_database_is_down_is_not_forgotten(passing, refused):
    visit, task_id = refused
    passing.set_down(False)
    count = len(passing.asked)
    for _ in range(3):
        assert passing.state(task_id, visit=visit) == "COMPLETE"
    assert len(passing.asked) == count + 1


def test_it_holds_everywhere_as_soon_as_the_database_is_back(passing, refused, aside):
    """Whether or not anybody comes to the process that knows of it."""
    visit, task_id = refused
    passing.set_down(False)
    begun_at = passing.clock.now()
    (work,) = aside
    work()
    assert passing.clock.now() - begun_at <= timedelta(seconds=AGAIN)
    count = len(passing.asked)
    passing.state(task_id, visit=visit, gateway=passing.process())
    assert len(passing.asked) == count + 1


def test_it_is_tried_for_as_long_as_it_matters(passing, refused, aside):
    visit, task_id = refused
    begun_at = passing.clock.now()
    (work,) = aside
    work()
    assert timedelta(seconds=54) < passing.clock.now() - begun_at < timedelta(seconds=62)
    passing.set_down(False)
    assert passing.fingerprints.denied_at(visit.owner, DEFAULT_SERVER) is None
    # Nobody is answered any more on what was before it.
    count = len(passing.asked)
    passing.state(task_id, visit=visit)
    assert len(passing.asked) == count + 1


def test_and_so_is_the_next_one(passing, refused, aside):
    visit, _ = refused
    (work,) = aside
    passing.set_down(False)
    work()
    passing.core.answer = _refusing
    passing.tes.meanwhile = lambda put: passing.set_down()
    assert passing.look("another", visit=visit).status == 401
    denied_at = passing.clock.now()
    passing.set_down(False)
    (_, work) = aside
    work()
    assert passing.fingerprints.denied_at(visit.owner, DEFAULT_SERVER) == denied_at


def test_an_answer_that_was_on_its_way_while_another_was_refused_lets_nobody_in(passing):
    visit = passing.visit(authorization=MINE)
    task_id = passing.submitted(visit)
    passing.clock.advance(60)

    def refuse_another(put) -> None:
        passing.tes.meanwhile = lambda put: None
        right, passing.core.answer = passing.core.answer, _refusing
        passing.clock.advance(1)
        assert passing.look("another", visit=visit).status == 401
        passing.core.answer = right
        passing.clock.advance(1)

    passing.tes.meanwhile = refuse_another
    assert passing.state(task_id, visit=visit) == "COMPLETE"
    passing.state(task_id, visit=visit)
    assert asked_for(passing, task_id) == 2


def test_without_the_key_of_fingerprints_nothing_is_kept_under_a_name(passing):
    passing.visit()
    passing.set_down()
    visit = passing.visit(authorization=MINE)
    assert not visit.is_lasting
    passing.set_down(False)
    passing.clock.advance(1)
    task_id = passing.submitted(visit)
    passing.look(task_id, visit=visit)
    assert passing.tasks.unsettled(DEFAULT_SERVER, 9) == []
    # And two callers are two all the same.
    passing.set_down()
    assert passing.process().fingerprinter.owner_of("a", "x").is_lasting is False
    names = {passing.gateway.fingerprinter.owner_of(one, "x").name for one in "ab"}
    assert len(names) == 2


def test_what_is_valid_at_one_server_is_another_owner_at_the_next(passing):
    owner_of = passing.gateway.fingerprinter.owner_of
    assert owner_of(MINE, "one") != owner_of(MINE, "two")
    assert owner_of(MINE, "one") == passing.process().fingerprinter.owner_of(MINE, "one")


# ---- ids ----


@pytest.mark.parametrize(
    "quoted",
    [
        "..",
        ".",
        "%2e%2e",
        "a%2F..%2Fb",
        "..%5Cb",
        "..;x=1",
        "%0a",
        "%ff",
        "%ed%a0%80",
        "",
        "x" * 513,
    ],
)
def test_an_id_that_could_lead_elsewhere_is_nobodys(service, quoted):
    with pytest.raises(Unknown, match="no task can have this id"):
        TaskPath.read(quoted)


@pytest.mark.parametrize("quoted", ["a", "a%2Fb", "...", "a..b", "%3F%23", "%25", "t%C3%A4sk"])
def test_any_other_id_is_asked_for_as_it_is_quoted(service, quoted):
    assert service.look(quoted).status == 404
    assert service.asked == [f"GET /tasks/{quoted}"]


def test_the_tag_is_what_it_was_set_to(service):
    service.submitted()
    (body,) = service.bodies
    assert body["tags"][TAG.key] == TAG.value


def test_a_wait_where_only_the_caller_may_ask_asks_for_him(passing):
    visit = passing.visit(authorization=MINE)
    task_id = passing.submitted(visit)
    assert passing.state(task_id, visit=visit) == "QUEUED"
    passing.clock.advance(0.25)
    before = len(passing.asked)
    answer = passing.look(task_id, visit=visit, wait=3)
    assert len(passing.asked) > before
    assert json.loads(answer.body)["state"] != "QUEUED"
