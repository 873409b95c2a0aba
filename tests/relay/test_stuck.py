"""Runs that have lost their engine: found where that shows, and marked when somebody says so."""

from datetime import timedelta

import pytest

from callback_service.domain.delivery import Answer, Verdict
from callback_service.domain.errors import Conflict, Unknown
from callback_service.domain.run import Rewind, RunStatus
from callback_service.domain.sink import CwlWesSink, HttpSink, NoSink, WesSink
from callback_service.domain.states import State
from callback_service.relay.by_sink import SenderBySink
from callback_service.relay.stuck import SETTING
from tests.adapters.cwl_wes import task_log
from tests.fakes.cwl_wes import FakeCwlWesSender, FakeWesRun, FakeWesRuns
from tests.fakes.fuse import Crashed, Fuse
from tests.fakes.sender import FakeSender
from tests.relay.small_service import OWNER, SINK, SmallService

HOUR = timedelta(hours=1)
WES = WesSink("https://wes.example.org/ga4gh/wes/v1", "A1B2C3")


class Stuck:
    """A service whose one run of cwl-WES has had one task, for two hours the last news."""

    def __init__(self, *states: State, wes_state: str = "RUNNING") -> None:
        self.wes = FakeWesRun()
        self.wes.create(wes_state)
        targets = {"cwl": [self.wes]}
        self.http = FakeSender()
        cwl_wes = FakeCwlWesSender(targets)
        by_sink = SenderBySink({HttpSink: self.http, WesSink: self.http, CwlWesSink: cwl_wes})
        self.service = SmallService(sender=by_sink, targets=("cwl",), wes_runs=FakeWesRuns(targets))
        self.run_id, self.keys = self.service.register(
            "t1", sink=CwlWesSink("cwl", self.wes.run_id)
        )
        self.service.call_back(self.keys, "t1", *(states or (State.COMPLETE,)))
        self.service.deliver()
        self.service.clock.advance(7200)

    def found(self, quiet_for: timedelta = HOUR, **options: bool) -> list[str]:
        return [one.run.id for one in self.service.stuck.page(quiet_for, **options)[0]]

    def give_up(self, by: str = "operator", reason: str = "killed") -> None:
        self.service.stuck.give_up(self.run_id, by, reason)

    @property
    def run(self):
        return self.service.run(self.run_id)


class TestFinding:
    def test_a_run_that_goes_on_though_its_tasks_have_ended_is_found_with_what_speaks_for_it(self):
        stuck = Stuck()
        [one], last = stuck.service.stuck.page(HOUR)
        assert (one.run.id, one.is_sure, one.quiet_for, last) == (
            stuck.run_id,
            True,
            2 * HOUR,
            None,
        )
        assert one.why == "its task has ended; cwl-WES still shows RUNNING"
        assert one.rest.states == {State.COMPLETE: 1}

    def test_that_cwl_wes_had_begun_to_complete_it_is_said(self):
        stuck = Stuck()
        stuck.wes.begin_to_complete()
        [one], _ = stuck.service.stuck.page(HOUR)
        assert "had begun to complete" in one.why

    @pytest.mark.parametrize("state", ["COMPLETE", "CANCELED", "EXECUTOR_ERROR", "SYSTEM_ERROR"])
    def test_a_run_that_has_ended_at_cwl_wes_is_not_stuck(self, state):
        stuck = Stuck()
        stuck.wes.be(state)
        assert stuck.found() == []

    def test_nor_is_one_whose_task_goes_on(self):
        assert Stuck(State.RUNNING).found() == []

    def test_nor_one_that_has_a_task_that_only_cwl_wes_knows_of(self):
        stuck = Stuck()
        stuck.wes.push(task_log("t2", "RUNNING"))
        assert stuck.found() == []

    def test_nor_one_that_never_had_a_task(self):
        stuck = Stuck()
        stuck.service.register(sink=CwlWesSink("cwl", stuck.wes.run_id))
        stuck.service.clock.advance(7200)
        assert stuck.found() == [stuck.run_id]

    def test_nor_one_that_is_owed_something(self):
        stuck = Stuck()
        stuck.service.tasks.rewind(stuck.run_id, Rewind())
        assert stuck.found() == []

    def test_nor_one_of_which_cwl_wes_knows_nothing(self):
        stuck = Stuck()
        stuck.service.wes_runs.targets["cwl"].clear()
        assert stuck.found() == []

    @pytest.mark.parametrize(("quiet_for", "is_found"), [(2 * HOUR, True), (3 * HOUR, False)])
    def test_how_long_nothing_has_moved_is_the_callers_to_say(self, quiet_for, is_found):
        assert bool(Stuck().found(quiet_for)) == is_found

    @pytest.mark.parametrize(("state", "seconds_ago"), [(State.COMPLETE, 0), (State.RUNNING, 7200)])
    def test_nor_one_whose_engine_works_as_another_run_is_told(self, state, seconds_ago):
        stuck = Stuck()
        other, _ = stuck.service.register("t2", sink=CwlWesSink("cwl", stuck.wes.run_id))
        # So that cwl-WES does not know of it.
        stuck.service.registrar.pause(OWNER, other)
        stuck.service.read_truth("t2", state)
        stuck.service.clock.advance(seconds_ago)
        assert stuck.found(unsure=True) == []
        stuck.service.stuck.give_up_all(HOUR)
        assert stuck.run.failing is None
        stuck.service.registrar.change(OWNER, other, {"sink": CwlWesSink("cwl", "another")})
        assert stuck.found() == [stuck.run_id]

    def test_a_task_that_joins_is_news(self):
        stuck = Stuck()
        stuck.service.register("t2", sink=SINK)
        stuck.service.read_truth("t2", State.COMPLETE)
        stuck.service.clock.advance(7200)
        stuck.service.join(stuck.run_id, "t2")
        stuck.service.deliver()
        assert stuck.found() == []

    def test_a_database_that_cannot_be_read_is_named_and_nothing_is_sure(self):
        stuck = Stuck()
        stuck.service.wes_runs.is_down = True
        [one], _ = stuck.service.stuck.page(HOUR)
        assert not one.is_sure
        assert "cwl is not there" in one.why

    @pytest.mark.parametrize("sink", [NoSink(), SINK, WES])
    def test_others_are_found_only_where_they_are_asked_for_and_never_sure(self, sink):
        stuck = Stuck()
        run_id, _ = stuck.service.register("t1", sink=sink)
        stuck.service.deliver(run_id)
        stuck.service.clock.advance(7200)
        assert stuck.found() == [stuck.run_id]
        assert sorted(stuck.found(unsure=True)) == sorted([stuck.run_id, run_id])
        sure = {one.run.id: one.is_sure for one in stuck.service.stuck.page(HOUR, unsure=True)[0]}
        assert sure == {stuck.run_id: True, run_id: False}

    def test_pages_have_each_run_once(self):
        stuck = Stuck()
        for _ in range(4):
            stuck.service.register("t1", sink=CwlWesSink("cwl", stuck.wes.run_id))
        stuck.service.deliver()
        stuck.service.clock.advance(7200)
        found, after = [], ""
        while after is not None:
            page, after = stuck.service.stuck.page(HOUR, after, 2)
            found += [one.run.id for one in page]
        assert len(found) == len(set(found)) == 5


class TestGivingUp:
    def test_it_is_marked_at_cwl_wes_and_over_here_with_who_and_why(self, caplog):
        stuck = Stuck()
        stuck.give_up()
        assert stuck.wes.state() == "RUNNING", "whoever delivers does it, under the lease"
        caplog.set_level("INFO")
        stuck.service.deliver()
        assert stuck.wes.state() == "SYSTEM_ERROR"
        assert (stuck.run.status, stuck.run.failing) == (RunStatus.GONE, None)
        assert stuck.run.last_error == "marked SYSTEM_ERROR by operator: killed"
        [marked] = [one for one in caplog.records if one.message == "run.marked"]
        assert marked.fields == {"run": stuck.run_id, "by": "operator", "reason": "killed"}
        attempt = stuck.service.delivery_log.of_run(stuck.run_id, None, 1)[0]
        assert (attempt.updates, attempt.verdict) == (0, Verdict.TOLD)
        assert stuck.found() == []

    def test_again_changes_nothing(self):
        stuck = Stuck()
        stuck.give_up()
        stuck.give_up("another", "for another reason")
        stuck.service.deliver()
        done = stuck.run
        stuck.give_up()
        stuck.service.deliver()
        assert stuck.run == done
        assert "by operator: killed" in stuck.run.last_error

    def test_an_end_of_cwl_wes_that_comes_before_it_stays(self):
        stuck = Stuck()
        stuck.give_up()
        stuck.wes.complete(task_log("t1", "COMPLETE"))
        stuck.service.deliver()
        assert stuck.wes.state() == "COMPLETE"
        assert stuck.run.last_error == "the run A1B2C3 has ended at cwl-WES: COMPLETE"
        assert (stuck.run.status, stuck.run.failing) == (RunStatus.GONE, None)

    def test_what_it_is_owed_is_told_before(self):
        stuck = Stuck()
        stuck.service.join(stuck.run_id, "t2")
        stuck.service.read_truth("t2", State.EXECUTOR_ERROR)
        stuck.give_up()
        stuck.service.deliver(stuck.run_id)
        assert stuck.wes.state() == "SYSTEM_ERROR"
        assert stuck.wes.states() == {"t1": "COMPLETE", "t2": "EXECUTOR_ERROR"}

    def test_a_task_that_has_begun_meanwhile_shows_that_its_engine_lives(self):
        stuck = Stuck()
        stuck.give_up()
        stuck.service.join(stuck.run_id, "t2")
        stuck.service.deliver()
        assert stuck.wes.state() == "RUNNING"
        assert (stuck.run.status, stuck.run.failing) == (RunStatus.ACTIVE, None)
        assert stuck.run.last_error == "not marked SYSTEM_ERROR: a task of it goes on"

    def test_so_does_one_that_has_begun_and_ended_meanwhile(self):
        stuck = Stuck()
        stuck.give_up()
        stuck.service.clock.advance(60)
        stuck.service.join(stuck.run_id, "t2")
        stuck.service.read_truth("t2", State.COMPLETE)
        stuck.service.deliver()
        assert stuck.wes.state() == "RUNNING"
        assert (stuck.run.status, stuck.run.failing) == (RunStatus.ACTIVE, None)
        assert "has moved since it was given up" in stuck.run.last_error

    def test_a_sink_that_was_changed_meanwhile_is_marked_by_nobody(self):
        stuck = Stuck()
        stuck.give_up()
        stuck.service.registrar.change(OWNER, stuck.run_id, {"sink": NoSink()})
        stuck.service.deliver()
        assert (stuck.run.failing, stuck.run.status) == (None, RunStatus.ACTIVE)

    def test_a_database_that_is_down_is_tried_again(self):
        stuck = Stuck()
        cwl_wes = stuck.service.sender._senders[CwlWesSink]  # noqa: SLF001  it is the test's own
        cwl_wes.is_down = True
        stuck.give_up()
        stuck.service.deliver()
        assert stuck.run.failing
        assert stuck.run.next_attempt_at
        cwl_wes.is_down = False
        stuck.service.clock.advance(3600)
        stuck.service.sweeper.sweep()
        stuck.service.deliver()
        assert stuck.wes.state() == "SYSTEM_ERROR"

    def test_a_ring_that_was_lost_is_made_up_for(self):
        stuck = Stuck()
        stuck.give_up()
        stuck.service.doorbell.answer()
        stuck.service.sweeper.sweep()
        stuck.service.deliver()
        assert stuck.wes.state() == "SYSTEM_ERROR"

    @pytest.mark.parametrize("after_effect", [False, True])
    def test_a_worker_that_dies_at_any_call_is_followed_by_one_that_ends_it(self, after_effect):
        at, is_over = 0, False
        while not is_over:
            stuck = Stuck()
            stuck.give_up()
            fuse = Fuse(at, after_effect)
            try:
                stuck.service.deliver(fuse=fuse)
                is_over = True
            except Crashed:
                stuck.service.clock.advance(60)
                stuck.service.sweeper.sweep()
                stuck.service.deliver(holder="another")
            assert (stuck.wes.state(), stuck.run.status) == ("SYSTEM_ERROR", RunStatus.GONE)
            assert "by operator: killed" in stuck.run.last_error, fuse.calls
            at += 1
        assert at > 5

    def test_cwl_wes_that_completes_it_at_any_call_has_the_last_word(self):
        at, is_over = 0, False
        while not is_over:
            stuck = Stuck()
            stuck.give_up()
            fuse = Fuse(at, meanwhile=lambda stuck=stuck: stuck.wes.complete())
            stuck.service.deliver(fuse=fuse)
            is_over = not fuse.is_burnt
            assert stuck.wes.state() == ("SYSTEM_ERROR" if is_over else "COMPLETE")
            assert stuck.run.status is RunStatus.GONE
            at += 1
        assert at > 5


class TestRefusals:
    def test_a_run_whose_tasks_go_on_is_not_given_up(self):
        stuck = Stuck(State.RUNNING)
        with pytest.raises(Conflict, match="1 of its tasks went on"):
            stuck.give_up()

    @pytest.mark.parametrize("sink", [NoSink(), SINK])
    def test_where_no_run_is_behind_it_that_is_said(self, sink):
        stuck = Stuck()
        run_id, _ = stuck.service.register(sink=sink)
        with pytest.raises(Conflict, match="only runs of cwl-WES"):
            stuck.service.stuck.give_up(run_id, "operator", "killed")

    def test_a_paused_run_is_to_be_resumed_first(self):
        stuck = Stuck()
        stuck.service.registrar.pause(OWNER, stuck.run_id)
        with pytest.raises(Conflict, match="resume it first"):
            stuck.give_up()

    def test_a_run_that_is_not_there_is_unknown(self):
        with pytest.raises(Unknown):
            Stuck().service.stuck.give_up("r0", "operator", "killed")


class TestByASinkWes:
    def marked(self, *answers: Answer):
        stuck = Stuck()
        stuck.run_id, _ = stuck.service.register("t1", sink=WES)
        stuck.service.deliver(stuck.run_id)
        stuck.http.script(stuck.run_id, *answers)
        stuck.give_up()
        stuck.service.deliver(stuck.run_id)
        return stuck

    def test_its_wes_is_told(self):
        stuck = self.marked()
        [failed] = stuck.http.failed
        assert (failed.sink, failed.failing.reason) == (WES, "killed")
        assert stuck.run.status is RunStatus.GONE

    def test_a_repeat_has_the_same_id(self):
        stuck = self.marked(Answer(503))
        stuck.service.clock.advance(3600)
        stuck.service.deliver(stuck.run_id)
        assert len(stuck.http.failed) == 2
        assert len({failed.webhook_id for failed in stuck.http.failed}) == 1
        assert stuck.run.status is RunStatus.GONE

    @pytest.mark.parametrize("status", [404, 405])
    def test_a_wes_that_takes_no_updates_is_asked_once_and_the_run_goes_on(self, status):
        stuck = self.marked(Answer(status))
        assert len(stuck.http.failed) == 1
        assert (stuck.run.status, stuck.run.failing) == (RunStatus.ACTIVE, None)
        assert stuck.run.last_error == f"could not be marked SYSTEM_ERROR: answered {status}"


class TestUnasked:
    def test_what_is_sure_is_marked_in_the_name_of_the_setting(self):
        stuck = Stuck()
        unsure, _ = stuck.service.register("t1", sink=WES)
        stuck.service.deliver(unsure)
        stuck.service.clock.advance(7200)
        stuck.service.stuck.give_up_all(HOUR)
        stuck.service.deliver()
        assert stuck.wes.state() == "SYSTEM_ERROR"
        assert stuck.run.last_error.startswith(f"marked SYSTEM_ERROR by {SETTING}: its task has")
        assert stuck.service.run(unsure).status is RunStatus.ACTIVE

    def test_nothing_is_before_its_time_or_where_it_cannot_be_read(self):
        stuck = Stuck()
        stuck.service.stuck.give_up_all(3 * HOUR)
        stuck.service.wes_runs.is_down = True
        stuck.service.stuck.give_up_all(HOUR)
        assert stuck.run.failing is None

    def test_one_that_is_paused_is_passed_over(self):
        stuck = Stuck()
        stuck.service.registrar.pause(OWNER, stuck.run_id)
        other, _ = stuck.service.register("t1", sink=CwlWesSink("cwl", stuck.wes.run_id))
        stuck.service.deliver(other)
        stuck.service.clock.advance(7200)
        stuck.service.stuck.give_up_all(HOUR)
        assert stuck.run.failing is None
        assert stuck.service.run(other).failing
