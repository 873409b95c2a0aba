"""The deliverer knows one sender; which one it is depends on the run's sink."""

import asyncio

from callback_service.domain.delivery import Verdict
from callback_service.domain.run import RunStatus
from callback_service.domain.sink import CwlWesSink, HttpSink, NoSink
from callback_service.domain.states import State
from callback_service.relay.by_sink import SenderBySink
from tests.adapters.receivers import NOW, a_run, an_item
from tests.fakes.cwl_wes import FakeCwlWesSender, FakeWesRun
from tests.fakes.sender import FakeSender
from tests.relay.small_service import SINK, SmallService

WES_SINK = CwlWesSink("cwl", "A1B2C3")


def a_service() -> tuple[SmallService, FakeSender, FakeCwlWesSender]:
    http, cwl_wes = FakeSender(), FakeCwlWesSender({"cwl": [FakeWesRun("A1B2C3")]})
    by_sink = SenderBySink({HttpSink: http, CwlWesSink: cwl_wes})
    service = SmallService(sender=by_sink, targets=("cwl",))
    return service, http, cwl_wes


def test_each_run_is_told_by_the_sender_for_its_sink():
    service, http, cwl_wes = a_service()
    [wes_run] = cwl_wes.targets["cwl"]
    wes_run.create("QUEUED")
    by_http, keys = service.register("t1", sink=SINK)
    service.register("t1", sink=WES_SINK)
    service.call_back(keys, "t1", State.RUNNING, State.COMPLETE)
    service.deliver()
    assert [item.update.state for item in http.items_of(by_http)] == ["RUNNING", "COMPLETE"]
    assert (wes_run.state(), wes_run.states()) == ("RUNNING", {"t1": "COMPLETE"})


def test_a_run_that_cwl_wes_has_ended_is_gone_and_says_why():
    service, _, cwl_wes = a_service()
    [wes_run] = cwl_wes.targets["cwl"]
    wes_run.create("COMPLETE")
    run_id, keys = service.register("t1", sink=WES_SINK)
    service.call_back(keys, "t1", State.RUNNING)
    service.deliver()
    run = service.run(run_id)
    assert (run.status, run.next_attempt_at) == (RunStatus.GONE, None)
    assert run.last_error == "the run A1B2C3 has ended at cwl-WES: COMPLETE"
    assert service.buried(run_id) == []


def test_a_database_that_was_down_is_told_later():
    service, _, cwl_wes = a_service()
    [wes_run] = cwl_wes.targets["cwl"]
    wes_run.create()
    cwl_wes.is_down = True
    run_id, keys = service.register("t1", sink=WES_SINK)
    service.call_back(keys, "t1", State.RUNNING)
    service.deliver()
    assert service.run(run_id).next_attempt_at is not None
    cwl_wes.is_down = False
    service.registrar.resume("local", run_id)
    service.deliver()
    assert wes_run.states() == {"t1": "RUNNING"}


def test_a_sink_that_nobody_serves_is_an_answer_too():
    telling = SenderBySink({}).send(a_run(), NoSink(), "msg_1", [an_item()], NOW)
    answer = asyncio.run(telling)
    assert (answer.verdict, answer.error) == (
        Verdict.RETRY,
        "this service has no sender for a NoSink",
    )
