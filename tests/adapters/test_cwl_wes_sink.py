"""The sender to cwl-WES, on a real database; and its fake, by the same rules."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from callback_service.adapters.cwl_wes_sink import CwlWesRuns, CwlWesSender, Target
from callback_service.adapters.cwl_wes_sink.failures import describe
from callback_service.adapters.cwl_wes_sink.telling import Contended
from callback_service.domain.delivery import Answer, Item, Verdict
from callback_service.domain.errors import WesUnreadable
from callback_service.domain.sink import CwlWesSink, HttpSink
from callback_service.domain.states import State
from tests.adapters.cwl_wes import CwlWes, Document, task_log
from tests.adapters.cwl_wes_sink_suite import (
    TARGET,
    CwlWesSinkRules,
    Looking,
    Telling,
    WesRunsRules,
    told,
)
from tests.adapters.receivers import NOW, a_run, in_loop
from tests.fakes.cwl_wes import FakeCwlWesSender, FakeWesRun, FakeWesRuns
from tests.ports import free_port

# Longer than in production: machines that run tests are slow now and then.
TIMEOUT = 20.0


class TestFake(CwlWesSinkRules):
    @pytest.fixture
    def telling(self) -> Telling:
        wes = FakeWesRun()
        return Telling(FakeCwlWesSender({TARGET: [wes]}), wes)


class TestReal(CwlWesSinkRules):
    @pytest.fixture
    def telling(self, mongo_uri: str, runs: Collection[Document]) -> Iterator[Telling]:
        target = Target(mongo_uri, runs.database.name, runs.name, timeout=TIMEOUT)
        yield Telling(CwlWesSender({TARGET: target}), CwlWes(runs))
        target.close()


class TestFakeWesRuns(WesRunsRules):
    @pytest.fixture
    def looking(self) -> Looking:
        wes = FakeWesRun()
        return Looking(FakeWesRuns({TARGET: [wes]}), wes)


class TestRealWesRuns(WesRunsRules):
    @pytest.fixture
    def looking(self, mongo_uri: str, runs: Collection[Document]) -> Iterator[Looking]:
        target = Target(mongo_uri, runs.database.name, runs.name, timeout=TIMEOUT)
        wes_runs = CwlWesRuns({TARGET: target})
        yield Looking(wes_runs, CwlWes(runs))
        wes_runs.close()


@pytest.fixture
def runs(mongo_database: Database[Document]) -> Collection[Document]:
    return mongo_database["runs"]


@pytest.fixture
def wes(runs: Collection[Document]) -> CwlWes:
    wes = CwlWes(runs)
    wes.create("RUNNING")
    return wes


async def send(sender: CwlWesSender, *items: Item, target: str = TARGET) -> Answer:
    return await sender.send(a_run(), CwlWesSink(target, "A1B2C3"), "msg_1", items, NOW)


def target_of(mongo_uri: str, wes: CwlWes) -> Target:
    return Target(mongo_uri, wes.runs.database.name, wes.runs.name, timeout=TIMEOUT)


@in_loop
async def test_what_ended_is_looked_at_once_more(mongo_uri: str, wes: CwlWes) -> None:
    """A log that cwl-WES had read before, and pushes after, is the last that anybody writes."""
    sender = CwlWesSender({TARGET: target_of(mongo_uri, wes)}, look_again_after=0.3)
    assert (await send(sender, told(1, State.COMPLETE))).verdict is Verdict.TOLD
    wes.push(task_log("t.1", "RUNNING"))
    deadline = time.monotonic() + TIMEOUT
    while len(wes.logs()) > 1 and time.monotonic() < deadline:  # noqa: ASYNC110  nobody says it
        await asyncio.sleep(0.05)
    await sender.close()
    assert wes.logs() == [task_log("t.1", "COMPLETE")]


@in_loop
async def test_a_look_that_is_due_later_does_not_keep_a_worker(mongo_uri: str, wes: CwlWes) -> None:
    sender = CwlWesSender({TARGET: target_of(mongo_uri, wes)}, look_again_after=3600)
    await send(sender, told(1, State.COMPLETE))
    await asyncio.wait_for(sender.close(), TIMEOUT)


@in_loop
async def test_nothing_else_of_the_document_is_touched(mongo_uri: str, wes: CwlWes) -> None:
    before = wes.document()
    sender = CwlWesSender({TARGET: target_of(mongo_uri, wes)})
    await send(sender, told(1, State.RUNNING))
    await sender.close()
    after = wes.document()
    assert set(after.pop("callback_service")) == {"told"}
    before["api"]["task_logs"] = [{"id": "t.1", "state": "RUNNING"}]
    assert after == before


@in_loop
async def test_a_database_that_is_down_is_tried_again_and_named_without_its_address() -> None:
    port = free_port()
    uri = f"mongodb://service:hunter2@127.0.0.1:{port}/"
    sender = CwlWesSender({TARGET: Target(uri, timeout=0.5)})
    answer = await send(sender, told(1, State.RUNNING))
    await sender.close()
    assert answer.verdict is Verdict.RETRY
    assert answer.describe() == "the database of cwl-WES cwl did not answer in time"
    assert answer.latency > 0


@in_loop
async def test_a_database_that_says_nothing_keeps_no_other_one_waiting(
    mongo_uri: str, wes: CwlWes
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        uri = f"mongodb://127.0.0.1:{silent.getsockname()[1]}/"
        targets = {
            "silent": Target(uri, timeout=1.0, connections=2),
            TARGET: target_of(mongo_uri, wes),
        }
        sender = CwlWesSender(targets)
        silent_ones = [
            asyncio.create_task(send(sender, told(1, State.RUNNING), target="silent"))
            for _ in range(20)
        ]
        await asyncio.sleep(0)
        assert (await send(sender, told(1, State.RUNNING))).verdict is Verdict.TOLD
        assert not any(one.done() for one in silent_ones)
        began = time.monotonic()
        answers = await asyncio.gather(*silent_ones)
        # Two at once would take ten times the timeout for all.
        assert time.monotonic() - began < 8
        await sender.close()
    assert {answer.verdict for answer in answers} == {Verdict.RETRY}
    assert {answer.error for answer in answers} == {
        "the database of cwl-WES silent did not answer in time"
    }


@in_loop
async def test_a_document_of_another_shape_is_this_runs_trouble_alone(
    mongo_uri: str, wes: CwlWes
) -> None:
    wes.runs.update_one({}, {"$set": {"api.task_logs": "none"}})
    sender = CwlWesSender({TARGET: target_of(mongo_uri, wes)})
    answer = await send(sender, told(1, State.RUNNING))
    other = await sender.send(a_run(), HttpSink("http://127.0.0.1/"), "msg_1", [], NOW)
    await sender.close()
    assert answer.verdict is other.verdict is Verdict.RETRY
    assert other.error == "the service failed to write it"


def test_runs_that_cannot_be_read_say_why_and_not_where() -> None:
    uri = f"mongodb://service:hunter2@127.0.0.1:{free_port()}/"
    wes_runs = CwlWesRuns({TARGET: Target(uri, timeout=0.3)})
    with pytest.raises(WesUnreadable) as raised:
        wes_runs.look(TARGET, {"A1B2C3"})
    wes_runs.close()
    assert str(raised.value) == "the database of cwl-WES cwl did not answer in time"


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (OperationFailure("Authentication failed.", 18), "does not let this service in"),
        (OperationFailure("not authorized on cwl-wes-db", 13), "does not let this service in"),
        (OperationFailure("disk full at 10.0.0.1", 1), "failed (OperationFailure)"),
        (ConfigurationError("Server at 10.0.0.1:27017 reports wire version 6"), "cannot be used: "),
        (AutoReconnect("10.0.0.1:27017: connection closed"), "cannot be reached"),
        (Contended(), "changed the run all the time"),
        (NetworkTimeout("10.0.0.1:27017: timed out"), "did not answer in time"),
        (ServerSelectionTimeoutError("10.0.0.1:27017: refused"), "did not answer in time"),
        (TimeoutError(), "did not answer in time"),
    ],
)
def test_owners_of_runs_are_told_why_but_not_where(failure: Exception, says: str) -> None:
    said = describe(failure, "cwl")
    assert said.startswith(f"the database of cwl-WES cwl {says}")
    assert "10.0.0.1" not in said


def test_a_target_connects_when_it_is_first_needed() -> None:
    began = time.monotonic()
    Target("mongodb+srv://nowhere.invalid/").close()
    assert time.monotonic() - began < 1


def test_cwl_wes_goes_on_with_a_document_that_was_told(
    mongo_client: MongoClient[dict[str, Any]], mongo_uri: str, wes: CwlWes
) -> None:
    """It replaces all logs when it has completed: ours are then gone with the others."""
    target = target_of(mongo_uri, wes)
    telling = Telling(CwlWesSender({TARGET: target}), wes)
    telling.does_tell(told(1, State.RUNNING))
    wes.complete(task_log("t.1", "COMPLETE"))
    target.close()
    assert (wes.state(), wes.logs()) == ("COMPLETE", [task_log("t.1", "COMPLETE")])
