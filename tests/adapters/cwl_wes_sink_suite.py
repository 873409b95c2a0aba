"""What every sender to cwl-WES does, beside cwl-WES that writes the same run."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from callback_service.domain.delivery import Answer, Item, Verdict
from callback_service.domain.errors import WesUnreadable
from callback_service.domain.run import Failing
from callback_service.domain.sink import CwlWesSink
from callback_service.domain.states import Source, State
from callback_service.domain.stuck import WesRun
from callback_service.domain.task import TaskKey, Update
from callback_service.relay.ports import Sender, WesRuns
from tests.adapters.cwl_wes import CwlWes, task_log
from tests.adapters.receivers import NOW, a_run
from tests.fakes.cwl_wes import FakeWesRun

TARGET = "cwl"


def told(
    seq: int, state: State, task_id: str = "t.1", previous: State = State.UNKNOWN, **key: str
) -> Item:
    where = TaskKey(key.get("owner", "alice"), key.get("server", "default"), task_id)
    return Item(where, Update(seq, state, NOW, Source.CALLBACK), previous)


@dataclass
class Telling:
    """A sender, and a run of cwl-WES that it may write to."""

    sender: Sender
    wes: CwlWes | FakeWesRun

    def tell(self, *items: Item, target: str = TARGET, wes_run_id: str | None = None) -> Answer:
        sink = CwlWesSink(target, wes_run_id or self.wes.run_id)
        return asyncio.run(self.sender.send(a_run(), sink, "msg_1", items, NOW))

    def fail(self, webhook_id: str = "msg_2", wes_run_id: str | None = None) -> Answer:
        sink = CwlWesSink(TARGET, wes_run_id or self.wes.run_id)
        failing = Failing("alice", NOW, "its engine was killed")
        return asyncio.run(self.sender.fail(a_run(), sink, webhook_id, failing, NOW))

    def does_tell(self, *items: Item) -> None:
        answer = self.tell(*items)
        assert answer.verdict is Verdict.TOLD, answer


@dataclass
class Looking:
    """Who looks at runs of cwl-WES, and one of them."""

    wes_runs: WesRuns
    wes: CwlWes | FakeWesRun


class CwlWesSinkRules:
    """Subclasses have a fixture `telling`."""

    def test_a_task_is_pushed_when_it_is_first_told_and_moved_after_that(
        self, telling: Telling
    ) -> None:
        telling.wes.create()
        telling.does_tell(told(1, State.QUEUED))
        assert telling.wes.logs() == [{"id": "t.1", "state": "QUEUED"}]
        telling.does_tell(told(2, State.RUNNING), told(1, State.INITIALIZING, "$t.2"))
        telling.does_tell(told(3, State.COMPLETE))
        assert telling.wes.states() == {"t.1": "COMPLETE", "$t.2": "INITIALIZING"}

    def test_of_several_updates_the_newest_stays(self, telling: Telling) -> None:
        telling.wes.create()
        telling.does_tell(told(1, State.QUEUED), told(2, State.RUNNING), told(3, State.COMPLETE))
        assert telling.wes.logs() == [{"id": "t.1", "state": "COMPLETE"}]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            *(("QUEUED", "RUNNING"), ("INITIALIZING", "RUNNING"), ("RUNNING", "RUNNING")),
            *(("UNKNOWN", "UNKNOWN"), ("PAUSED", "PAUSED"), ("CANCELING", "CANCELING")),
        ],
    )
    def test_a_run_that_waits_runs_and_no_other_one_moves(
        self, telling: Telling, before: str, after: str
    ) -> None:
        telling.wes.create(before)
        telling.does_tell(told(1, State.RUNNING))
        assert telling.wes.state() == after

    def test_a_run_is_never_complete_because_its_tasks_are(self, telling: Telling) -> None:
        telling.wes.create("QUEUED")
        telling.does_tell(told(1, State.COMPLETE), told(1, State.EXECUTOR_ERROR, "t.2"))
        assert telling.wes.state() == "RUNNING"

    @pytest.mark.parametrize("state", ["COMPLETE", "CANCELED", "EXECUTOR_ERROR", "SYSTEM_ERROR"])
    def test_a_run_that_has_ended_is_left_alone_and_ends_the_sink(
        self, telling: Telling, state: str
    ) -> None:
        telling.wes.create("RUNNING")
        telling.does_tell(told(1, State.RUNNING))
        telling.wes.be(state)
        answer = telling.tell(told(2, State.COMPLETE))
        assert answer.verdict is Verdict.GONE
        assert answer.describe() == f"the run {telling.wes.run_id} has ended at cwl-WES: {state}"
        assert (telling.wes.state(), telling.wes.states()) == (state, {"t.1": "RUNNING"})

    def test_a_run_that_is_not_there_ends_the_sink(self, telling: Telling) -> None:
        telling.wes.create()
        answer = telling.tell(told(1, State.RUNNING), wes_run_id="OTHER1")
        assert answer.verdict is Verdict.GONE
        assert answer.describe() == "cwl-WES has no run OTHER1"
        assert telling.wes.logs() == []

    def test_a_repeat_changes_nothing(self, telling: Telling) -> None:
        telling.wes.create()
        everything = (told(1, State.RUNNING), told(2, State.COMPLETE))
        for _ in range(3):
            telling.does_tell(*everything)
        telling.does_tell(everything[0])
        assert telling.wes.logs() == [{"id": "t.1", "state": "COMPLETE"}]

    def test_a_late_batch_takes_nothing_back(self, telling: Telling) -> None:
        telling.wes.create()
        telling.does_tell(told(3, State.QUEUED), told(1, State.RUNNING, "t.2"))
        telling.does_tell(told(2, State.RUNNING), told(2, State.COMPLETE, "t.2"))
        assert telling.wes.states() == {"t.1": "QUEUED", "t.2": "COMPLETE"}

    def test_what_cwl_wes_wrote_before_us_is_not_taken_back_either(self, telling: Telling) -> None:
        telling.wes.create()
        telling.wes.push(task_log("t.1", "RUNNING"))
        telling.does_tell(told(2, State.RUNNING))
        telling.does_tell(told(1, State.QUEUED))
        assert telling.wes.logs() == [task_log("t.1", "RUNNING")]

    def test_a_task_that_cwl_wes_has_pushed_is_not_pushed_again(self, telling: Telling) -> None:
        telling.wes.create()
        telling.wes.push({})
        telling.wes.push(task_log("t.1", "QUEUED"))
        telling.does_tell(told(1, State.RUNNING))
        assert telling.wes.logs() == [{}, task_log("t.1", "RUNNING")]

    def test_the_log_that_cwl_wes_pushes_later_replaces_ours(self, telling: Telling) -> None:
        telling.wes.create()
        telling.does_tell(told(1, State.QUEUED), told(1, State.QUEUED, "t.2"))
        telling.wes.push(task_log("t.1", "QUEUED"))
        telling.wes.set_state("t.1", "RUNNING")
        telling.does_tell(told(2, State.COMPLETE))
        assert sorted(telling.wes.logs(), key=len) == [
            {"id": "t.2", "state": "QUEUED"},
            task_log("t.1", "COMPLETE"),
        ]

    def test_an_end_that_only_cwl_wes_knows_of_is_not_taken_back(self, telling: Telling) -> None:
        telling.wes.create()
        telling.does_tell(told(1, State.QUEUED))
        telling.wes.set_state("t.1", "EXECUTOR_ERROR")
        telling.does_tell(told(2, State.RUNNING))
        assert telling.wes.states() == {"t.1": "EXECUTOR_ERROR"}
        telling.does_tell(told(3, State.COMPLETE))
        assert telling.wes.states() == {"t.1": "COMPLETE"}

    def test_an_end_is_taken_back_where_the_server_corrects_it(self, telling: Telling) -> None:
        telling.wes.create()
        telling.does_tell(told(1, State.SYSTEM_ERROR))
        telling.does_tell(told(2, State.QUEUED, previous=State.SYSTEM_ERROR))
        assert telling.wes.states() == {"t.1": "QUEUED"}

    def test_a_stale_state_of_cwl_wes_is_put_right_by_a_repeat(self, telling: Telling) -> None:
        telling.wes.create()
        telling.does_tell(told(2, State.COMPLETE))
        telling.wes.set_state("t.1", "RUNNING")
        telling.does_tell(told(1, State.RUNNING), told(2, State.COMPLETE))
        assert telling.wes.states() == {"t.1": "COMPLETE"}

    def test_owners_count_each_for_themselves(self, telling: Telling) -> None:
        telling.wes.create()
        telling.does_tell(told(7, State.RUNNING))
        telling.does_tell(told(1, State.COMPLETE, owner="bob"))
        assert telling.wes.states() == {"t.1": "COMPLETE"}

    def test_a_target_that_is_not_there_any_more_is_tried_again(self, telling: Telling) -> None:
        telling.wes.create()
        assert telling.tell(told(1, State.RUNNING), target="gone").verdict is Verdict.RETRY

    def test_many_tasks_are_told_at_once(self, telling: Telling) -> None:
        telling.wes.create()
        wanted: dict[str, Any] = {f"t{number}": State.RUNNING for number in range(500)}
        telling.does_tell(*(told(1, state, task_id) for task_id, state in wanted.items()))
        assert telling.wes.states() == {task_id: str(state) for task_id, state in wanted.items()}

    @pytest.mark.parametrize("state", ["UNKNOWN", "QUEUED", "RUNNING", "PAUSED", "CANCELING"])
    def test_a_run_that_goes_on_is_marked_once(self, telling: Telling, state: str) -> None:
        telling.wes.create(state)
        for _ in range(2):
            assert telling.fail().verdict is Verdict.TOLD
            assert telling.wes.state() == "SYSTEM_ERROR"
        answer = telling.fail("msg_3")
        assert answer.verdict is Verdict.GONE
        assert answer.describe() == "the run A1B2C3 has ended at cwl-WES: SYSTEM_ERROR"

    @pytest.mark.parametrize("state", ["COMPLETE", "CANCELED", "EXECUTOR_ERROR", "SYSTEM_ERROR"])
    def test_an_end_of_cwl_wes_is_not_replaced_by_a_mark(
        self, telling: Telling, state: str
    ) -> None:
        telling.wes.create(state)
        answer = telling.fail()
        assert (answer.verdict, telling.wes.state()) == (Verdict.GONE, state)
        assert answer.describe() == f"the run {telling.wes.run_id} has ended at cwl-WES: {state}"

    def test_a_mark_that_cwl_wes_has_replaced_is_not_set_again(self, telling: Telling) -> None:
        telling.wes.create("RUNNING")
        telling.does_tell(told(1, State.COMPLETE))
        telling.fail()
        telling.wes.complete(task_log("t.1", "COMPLETE"))
        assert telling.fail().verdict is Verdict.GONE
        assert telling.wes.state() == "COMPLETE"

    def test_what_is_told_after_a_mark_changes_nothing(self, telling: Telling) -> None:
        telling.wes.create("RUNNING")
        telling.does_tell(told(1, State.RUNNING))
        telling.fail()
        assert telling.tell(told(2, State.COMPLETE)).verdict is Verdict.GONE
        assert (telling.wes.state(), telling.wes.states()) == ("SYSTEM_ERROR", {"t.1": "RUNNING"})

    def test_a_run_that_is_not_there_is_not_marked(self, telling: Telling) -> None:
        answer = telling.fail(wes_run_id="OTHER1")
        assert (answer.verdict, answer.describe()) == (
            Verdict.GONE,
            "cwl-WES has no run OTHER1",
        )


class WesRunsRules:
    """Subclasses have a fixture `looking`: the runs of `TARGET`, and the one run in it."""

    def look(self, looking: Looking, wes_run_id: str = "A1B2C3") -> WesRun | None:
        return looking.wes_runs.look(TARGET, {wes_run_id}).get(wes_run_id)

    @pytest.mark.parametrize("state", ["UNKNOWN", "QUEUED", "RUNNING", "CANCELING"])
    def test_a_run_that_goes_on_may_be_stuck(self, looking: Looking, state: str) -> None:
        looking.wes.create(state)
        assert self.look(looking) == WesRun(state, is_over=False)

    @pytest.mark.parametrize("state", ["COMPLETE", "CANCELED", "EXECUTOR_ERROR", "SYSTEM_ERROR"])
    def test_a_run_that_has_ended_is_over(self, looking: Looking, state: str) -> None:
        looking.wes.create(state)
        assert self.look(looking) == WesRun(state, is_over=True)

    def test_tasks_that_go_on_are_counted(self, looking: Looking) -> None:
        looking.wes.create("RUNNING")
        for log in (task_log("t.1", "COMPLETE"), {}, task_log("t.2", "RUNNING")):
            looking.wes.push(log)
        assert self.look(looking) == WesRun("RUNNING", is_over=False, open_tasks=1)

    def test_it_is_seen_that_a_run_was_being_completed(self, looking: Looking) -> None:
        looking.wes.create("RUNNING")
        looking.wes.begin_to_complete()
        assert self.look(looking) == WesRun("RUNNING", is_over=False, was_completing=True)

    def test_what_is_not_there_is_not_found(self, looking: Looking) -> None:
        looking.wes.create()
        assert self.look(looking, "OTHER1") is None
        with pytest.raises(WesUnreadable):
            looking.wes_runs.look("another", {"A1B2C3"})
