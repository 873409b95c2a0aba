"""`POST /tasks` through the gateway."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from callback_service.domain.callback_run import PERIOD
from callback_service.domain.errors import InvalidInput, ServerFailed, Unavailable, Unknown
from callback_service.domain.run import RunStatus
from callback_service.domain.server import Access, Server
from callback_service.domain.sink import Format, HttpSink
from callback_service.domain.states import State
from callback_service.domain.tes import Variant
from callback_service.relay.gateway.answer import Answer
from callback_service.relay.gateway.breaker import REST
from callback_service.relay.gateway.repeats import digest
from callback_service.tes_sim.reply import json_reply
from tests.fakes.fuse import Fuse
from tests.relay.gateway_service import LISTENER, RUN_TAG, TAG, TASK, GatewayService
from tests.relay.small_service import key
from tests.tes_sim.running import new_core

REGISTERED = "X-Callback-Registered"


@pytest.fixture
def service() -> GatewayService:
    return GatewayService()


def runs_of(service: GatewayService, task_id: str) -> set[str]:
    return set(service.task(task_id).runs)


def test_a_task_is_handed_on_with_a_tag_and_without_its_callback_url(service):
    service.submitted(callback_url=LISTENER)
    (body,) = service.bodies
    assert body == {**TASK, "tags": {"n": "1", TAG.key: TAG.value}}


def test_nobody_is_to_be_told_and_nothing_is_said_of_it(service):
    answer = service.submit()
    assert json.loads(answer.body).keys() == {"id"}
    assert REGISTERED not in answer.headers


def test_a_task_is_known_from_its_submission_on(service):
    task = service.task(service.submitted())
    assert task.is_tagged
    assert task.seq == 0
    assert [one.key.task_id for one in service.tasks.unsettled("default", 9)] == [task.key.task_id]
    # Nothing was heard of it yet, which is no reason to forget it.
    assert service.tasks.forget(service.clock.now()) == 0


def test_a_server_whose_list_cannot_be_narrowed_to_a_task_is_not_said_to_do_so(service):
    with_tag = service.submitted()
    answer = service.submit(tags=["no object"])
    assert answer.status == 400
    assert service.task(with_tag).is_tagged


def test_workers_are_woken(service):
    service.submitted()
    assert service.is_waited()
    assert not service.is_wanted()


def test_the_callback_url_is_told_of_each_state(service):
    task_id = service.submitted(callback_url=LISTENER)
    (run_id,) = runs_of(service, task_id)
    service.poll(task_id)
    service.clock.advance(2)
    service.poll(task_id)
    service.deliver()
    assert service.told(run_id) == [(task_id, State.QUEUED), (task_id, State.RUNNING)]
    assert service.run(run_id).sink == HttpSink(LISTENER, Format.TES)


def test_that_it_will_be_is_said(service):
    assert service.submit(callback_url=LISTENER).headers[REGISTERED] == "true"


def test_tasks_with_one_callback_url_have_one_run(service):
    one, two = (service.submitted(callback_url=LISTENER) for _ in range(2))
    other = service.submitted(callback_url=f"{LISTENER}/2")
    assert runs_of(service, one) == runs_of(service, two) != runs_of(service, other)


def test_next_week_it_is_another_run(service):
    before = runs_of(service, service.submitted(callback_url=LISTENER))
    service.clock.advance(PERIOD.total_seconds())
    assert runs_of(service, service.submitted(callback_url=LISTENER)).isdisjoint(before)


def test_a_run_that_was_deleted_does_not_come_back(service):
    (before,) = runs_of(service, service.submitted(callback_url=LISTENER))
    service.runs.change(before, {"status": RunStatus.ENDING})
    (after,) = runs_of(service, service.submitted(callback_url=LISTENER))
    assert after != before
    assert service.run(after).is_open(service.clock.now())


def test_two_processes_that_make_the_run_at_once_make_one(service):
    fuse = Fuse("FakeRuns.find", meanwhile=lambda: service.submitted(callback_url=LISTENER))
    fuse.after_effect = True
    runs, service.runs = service.runs, fuse.protect(service.runs)
    other = service.process()
    service.runs = runs
    service.submitted(callback_url=LISTENER, gateway=other)
    assert fuse.is_burnt
    assert len(set().union(*(runs_of(service, task.id) for task in service.core.tasks()))) == 1


@pytest.mark.parametrize(
    "url", ["", "no url", "ftp://a.example/", "http://10.0.0.1/", "http://169.254.169.254/latest"]
)
def test_where_nothing_may_be_sent_to_nothing_is_submitted(service, url):
    with pytest.raises(InvalidInput, match=r"^callback_url: "):
        service.submit(callback_url=url)
    assert service.asked == []


def test_a_task_joins_the_run_that_its_header_names(service):
    run_id, _ = service.register()
    answer = service.submit(run_id=run_id)
    assert answer.headers[REGISTERED] == "true"
    assert runs_of(service, json.loads(answer.body)["id"]) == {run_id}


def test_a_tag_names_a_run_too_and_the_header_goes_before(service):
    (one, _), (two, _) = service.register(), service.register()
    tags = {RUN_TAG: one}
    assert runs_of(service, service.submitted(tags=tags)) == {one}
    assert runs_of(service, service.submitted(tags=tags, run_id=two)) == {two}


def test_a_run_and_a_callback_url_are_both_told(service):
    run_id, _ = service.register()
    task_id = service.submitted(run_id=run_id, callback_url=LISTENER)
    assert run_id in runs_of(service, task_id)
    assert len(runs_of(service, task_id)) == 2


def test_for_a_run_that_is_not_the_callers_nothing_is_submitted(service):
    run_id, _ = service.register(owner="bob")
    for named in (run_id, "r0", "\x00"):
        with pytest.raises(Unknown, match="no run"):
            service.submit(run_id=named)
    assert service.asked == []


def test_for_a_run_of_another_server_nothing_is_submitted(service):
    service.servers.add(Server("other", "https://other.example.org", service.clock.now()))
    run_id, _ = service.register(server="other")
    with pytest.raises(InvalidInput, match="X-Run-Id: is a run of server 'other'"):
        service.submit(run_id=run_id)
    assert service.asked == []


def test_a_callback_that_is_faster_than_our_write_is_told(service):
    """The server calls the run back, where that is its URL, before it has answered."""
    run_id, keys = service.register()
    called: list[str] = []

    def call_back(put) -> None:
        (task,) = service.core.tasks()
        called.append(task.id)
        service.call_back(keys, task.id, State.RUNNING)

    service.tes.meanwhile = call_back
    service.submit(run_id=run_id)
    service.deliver()
    assert service.told(run_id) == [(called[0], State.RUNNING)]


# ---- without a database ----


def test_without_a_database_the_task_is_submitted_all_the_same(service):
    run_id, _ = service.register()
    service.visit()
    service.set_down()
    for wanted in ({"callback_url": LISTENER}, {"run_id": run_id}):
        answer = service.submit(**wanted)
        assert answer.status == 200
        assert answer.headers[REGISTERED] == "false"
    assert REGISTERED not in service.submit().headers
    assert len(service.bodies) == 3


def test_a_database_that_fails_after_the_submission_fails_no_submission(service):
    service.visit()
    service.tes.meanwhile = lambda put: service.set_down()
    answer = service.submit(callback_url=LISTENER)
    assert (answer.status, answer.headers[REGISTERED]) == (200, "false")


def test_a_process_that_never_knew_its_servers_cannot_submit(service):
    service.set_down()
    with pytest.raises(Unavailable):
        service.visit()


def test_a_database_that_is_down_is_asked_once_in_a_while(service):
    fuse, tasks, runs = Fuse(), service.tasks, service.runs
    service.tasks, service.runs = fuse.protect(tasks), fuse.protect(runs)
    gateway = service.process()
    service.tasks, service.runs = tasks, runs
    visit = service.visit(gateway=gateway)
    service.set_down()
    for _ in range(20):
        service.submit(visit, callback_url=LISTENER, run_id="r1", gateway=gateway)
    assert len(fuse.calls) <= 1
    service.clock.advance(REST.total_seconds())
    service.set_down(False)
    answer = service.submit(visit, callback_url=LISTENER, gateway=gateway)
    assert answer.headers[REGISTERED] == "true"


# ---- repeats ----

RANKS = [Variant.GA4GH, Variant.V1, Variant.ROOT]


def like_py_tes(service: GatewayService, gateways=None, **fields) -> list[object]:
    """What it is answered on each path, until it is content."""
    said = []
    for index, variant in enumerate(RANKS):
        gateway = gateways[index] if gateways else service.gateway
        try:
            answer = service.submit(service.visit(variant), gateway=gateway, **fields)
        except ServerFailed as error:
            said.append(str(error))
            continue
        said.append((answer.status, answer.body, answer.detail))
        if answer.is_success or answer.status not in {404, *range(500, 600)}:
            break
    return said


FAILURES = [
    {"answer": "error"},
    {"answer": "error", "status": 503},
    {"answer": "error", "status": 404},
    {"answer": "html"},
    {"answer": "lost"},
    {"answer": "hang_up"},
    {"answer": "truncated"},
    {"answer": "wrong_shape"},
    {"answer": "redirect"},
    {"answer": "endless"},
    {"delay": 9},
]


@pytest.mark.parametrize("fault", FAILURES, ids=str)
@pytest.mark.parametrize("is_down", [False, True], ids=["", "without a database"])
def test_a_failed_submission_is_not_submitted_again_on_the_next_path(service, fault, is_down):
    service.visit()
    service.set_down(is_down)
    service.fail(**fault, on="CreateTask", times=1)
    said = like_py_tes(service)
    assert len(said) == 3
    assert len(service.asked) == 1
    # The first one raised it, the next ones answer it.
    words = [one if isinstance(one, str) else one[2] or one[1].decode() for one in said]
    assert len(set(words)) == 1


def test_nor_by_another_process(service):
    service.fail(answer="error", on="CreateTask", times=1)
    said = like_py_tes(service, [service.process() for _ in RANKS])
    assert len(said) == 3
    assert len(service.asked) == 1


def test_the_next_submission_is_meant(service):
    service.fail(answer="error", on="CreateTask", times=1)
    like_py_tes(service)
    assert service.submit().status == 200
    assert len(service.asked) == 2
    for variant in (Variant.V1, Variant.ROOT):
        # Each took the failure once; who comes there now has seen none.
        assert service.submit(service.visit(variant)).status == 200


def test_equal_tasks_on_one_path_are_as_many_tasks(service):
    for variant in RANKS:
        ids = {service.submitted(service.visit(variant)) for _ in range(3)}
        assert len(ids) == 3


def test_a_refusal_that_clients_do_not_repeat_is_not_kept(service):
    assert service.submit(executors=[]).status == 400
    assert service.submit(service.visit(Variant.V1), executors=[]).status == 400
    assert len(service.asked) == 2


@pytest.mark.parametrize("other", [{"name": "another"}, {"visit": "bob"}])
def test_another_task_and_another_owner_are_no_repeat(service, other):
    service.fail(answer="error", on="CreateTask", times=1)
    service.submit()
    owner = other.pop("visit", "local")
    assert service.submit(service.visit(Variant.V1, owner), **other).status == 200


def test_after_half_a_minute_nobody_repeats(service):
    service.fail(answer="error", on="CreateTask", times=1)
    service.submit()
    service.clock.advance(31)
    assert service.submit(service.visit(Variant.V1)).status == 200


def take_long(service):
    """The server takes nearly all that it gets, and then the database is slow."""
    service.tes.meanwhile = lambda put: service.clock.advance(7.9)
    record = service.recorder.record

    def slowly(steps):
        service.clock.advance(1.9)
        return record(steps)

    service.recorder.record = slowly


def test_who_gave_up_waiting_for_a_success_is_told_its_id(service):
    """py-tes does after ten seconds: the server's, and those of our own."""
    run_id, _ = service.register()
    take_long(service)
    first = service.submit(run_id=run_id)
    service.tes.meanwhile = lambda put: None
    second = service.submit(service.visit(Variant.V1), run_id=run_id)
    assert second == first
    assert len(service.asked) == 1


def test_a_repeat_makes_up_for_what_was_not_put_down(service):
    run_id, _ = service.register()
    service.visit()

    take_long(service)
    record = service.recorder.record

    def slowly_and_in_vain(steps):
        service.set_down()
        return record(steps)

    service.recorder.record = slowly_and_in_vain
    assert service.submit(run_id=run_id).headers[REGISTERED] == "false"
    service.recorder.record = record
    service.set_down(False)
    service.clock.advance(REST.total_seconds())
    again = service.submit(service.visit(Variant.V1), run_id=run_id)
    assert again.headers[REGISTERED] == "true"
    assert runs_of(service, json.loads(again.body)["id"]) == {run_id}
    assert len(service.asked) == 1


def killed(service: GatewayService, variant: Variant = Variant.GA4GH, seconds: float = 1) -> None:
    """A process that handed a task on and did not live to answer."""

    def die(_put):
        service.clock.advance(seconds)
        raise KeyboardInterrupt

    service.tes.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        service.submit(service.visit(variant), gateway=service.process())
    service.tes.meanwhile = lambda put: None


@pytest.mark.parametrize("is_down", [False, True], ids=["", "without a database"])
def test_what_a_killed_process_was_handing_on_is_not_handed_on_again(service, is_down):
    service.visit()
    service.set_down(is_down)
    killed(service)
    begun = service.clock.now()
    answers = [service.submit(service.visit(variant)) for variant in RANKS[1:]]
    assert [answer.status for answer in answers] == [504, 504]
    assert "may have taken it" in answers[0].detail
    assert len(service.bodies) == 1
    # Before its client gives up on the second path, too.
    assert service.clock.now() - begun < timedelta(seconds=9)


def test_a_repeat_of_what_is_under_way_waits_for_its_answer(service):
    """A client that gave up; or one that lost its connection, by a proxy between us."""
    answers = []

    def meanwhile(_put):
        service.tes.meanwhile = lambda put: None
        # The clock is what it waits by: the answer comes while it does.
        service.clock.advance(1)
        service.gateway.submitter.repeats.pause = go_on
        answers.append(service.gateway.submitter.repeats.take(meant(service), Variant.V1))

    def go_on(_seconds):
        (open_one,) = [one for one in service.outcomes.all if one.is_open]
        service.outcomes.keep(replace(open_one, status=200, body=b"{}", content_type="x/y"))

    service.tes.meanwhile = meanwhile
    service.submit()
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"{}")]


def meant(service: GatewayService) -> str:
    return digest(service.visit(), json.dumps(TASK).encode(), None)


def test_what_ended_well_while_somebody_took_it_for_his_is_not_his(service):
    """It was answered in time, so nobody repeats it: the other request is another task's."""
    outcome = service.gateway.submitter.repeats.begin(
        meant(service), Variant.GA4GH, service.clock.now()
    )

    def end(_seconds):
        service.gateway.submitter.repeats.end(outcome, Answer(200, b"{}"))

    service.gateway.submitter.repeats.pause = end
    assert service.submit(service.visit(Variant.V1)).status == 200
    assert len(service.bodies) == 1


def test_programs_that_differ_do_not_repeat_each_other(service):
    service.fail(answer="error", status=500, times=1)
    assert service.submit(replace(service.visit(), client="py-tes 1.1")).status == 500
    other = replace(service.visit(Variant.V1), client="py-tes 0.4")
    assert service.submit(other).status == 200


def test_what_was_answered_is_not_kept(service):
    service.submit()
    service.submit(body='{"executors": 1}')
    assert service.outcomes.all == service.near_outcomes.all == []


def test_what_nobody_came_for_is_swept_from_the_folder(service):
    service.fail(answer="error", status=500, times=1)
    service.submit()
    assert len(service.near_outcomes.all) == 1
    service.clock.advance(100)
    service.submit()
    assert service.near_outcomes.all == []


def test_a_quick_success_is_nobodys_to_repeat(service):
    one = service.submitted()
    assert service.submitted(service.visit(Variant.V1)) != one


# ---- servers ----


def test_the_servers_words_are_handed_on(service):
    answer = service.submit(executors=[])
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert "executors" in json.loads(answer.body)["error"]


@pytest.mark.parametrize("access", [Access.OPEN, Access.TOKEN])
def test_a_refusal_of_the_operators_credentials_is_no_fault_of_the_caller(access):
    service = GatewayService(core=new_core(token="of-the-operator"), access=access)
    with pytest.raises(ServerFailed, match="401 to this service's credentials") as raised:
        service.submit()
    assert not raised.value.is_late


def test_a_server_that_takes_an_id_that_cannot_be_one_is_followed_by_nobody(service):
    run_id, _ = service.register()
    service.core.answer = lambda *args, now, **more: _created("x" * 513)
    answer = service.submit(run_id=run_id)
    assert answer.headers[REGISTERED] == "false"
    assert json.loads(answer.body)["id"] == "x" * 513


def _created(task_id: str):
    return json_reply({"id": task_id})


def test_callers_are_apart(service):
    task_id = service.submitted(service.visit(owner="bob"), callback_url=LISTENER)
    assert service.tasks.load([key(task_id)]) == {}
    assert key(task_id, "bob") in service.tasks.load([key(task_id, "bob")])


def test_the_run_of_a_callback_url_ends_some_day(service):
    (run_id,) = runs_of(service, service.submitted(callback_url=LISTENER))
    expires_at = service.run(run_id).expires_at
    assert expires_at == service.clock.now() + timedelta(days=14)
