import logging
from datetime import timedelta

import pytest

from callback_service.domain.delivery import Answer
from callback_service.domain.errors import Unavailable
from callback_service.domain.outcome import Outcome
from callback_service.domain.run import LEASE, RENEW_EVERY, Rewind, RunStatus
from callback_service.domain.sink import NoSink
from callback_service.domain.states import State
from callback_service.relay.sweep import BRIEFLY, ENDED_AT_ONCE, PAGE, SWEEP_EVERY, Brief, Tick
from tests.fakes.clock import FakeClock
from tests.fakes.fuse import Crashed, Fuse
from tests.fakes.store import FakeFingerprints, FakeOutcomes, FakeTicks
from tests.relay.small_service import OWNER, SmallService, key

QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
DAY = 24 * 3600


def owed(service: SmallService, task_id: str = "a", **wanted: object) -> str:
    run_id, keys = service.register(**wanted)
    service.call_back(keys, task_id, QUEUED)
    service.doorbell.answer()
    return run_id


class TestSweeper:
    def test_losing_every_message_of_the_broker_loses_nothing(self, service):
        runs = {owed(service, f"task-{number}") for number in range(5)}
        service.sweeper.sweep()
        assert service.doorbell.rung == runs
        service.deliver()
        assert len(service.sender.sent) == 5
        service.sweeper.sweep()
        assert service.doorbell.rung == set()

    def test_a_retry_is_rung_for_when_its_time_has_come(self, service):
        run_id = owed(service)
        service.sender.script(run_id, Answer(503))
        service.deliver(run_id)
        service.clock.advance(4.999)
        service.sweeper.sweep()
        assert service.doorbell.rung == set()
        service.clock.advance(0.001)
        service.sweeper.sweep()
        assert service.doorbell.rung == {run_id}

    def test_a_run_whose_worker_died_is_rung_for_when_its_lease_is_over(self, service):
        run_id = owed(service)
        with pytest.raises(Crashed):
            service.deliver(run_id, fuse=Fuse(at="FakeSender.send"))
        service.sweeper.sweep()
        assert service.doorbell.rung == set()
        service.clock.advance(LEASE.total_seconds())
        service.sweeper.sweep()
        assert service.doorbell.rung == {run_id}

    @pytest.mark.parametrize("status", [RunStatus.PAUSED, RunStatus.GONE, RunStatus.ENDING])
    def test_who_is_not_to_be_told_is_not_rung_for(self, service, status):
        run_id = owed(service)
        service.runs.change(run_id, {"status": status})
        service.sweeper.sweep()
        assert service.doorbell.rung == set()

    def test_a_rewind_is_rung_for_although_nothing_is_owed(self, service):
        run_id = owed(service)
        service.deliver(run_id)
        service.registrar.redeliver(OWNER, run_id, Rewind())
        service.doorbell.answer()
        service.sweeper.sweep()
        service.deliver()
        assert service.told(run_id) == [("a", QUEUED)] * 2

    def test_a_run_that_a_late_callback_put_on_a_task_again_is_taken_off(self, service):
        """It was deleted between the callback's look at it and its write."""
        run_id, keys = service.register()
        run = service.run(run_id)
        service.registrar.delete(OWNER, run_id)
        service.runs.find = lambda run_ids: {run_id: run}
        service.call_back(keys, "a", QUEUED)
        del service.runs.find
        assert service.tasks.creditors() == {run_id}
        service.sweeper.sweep()
        service.deliver()
        assert service.task("a").runs == ()
        assert service.tasks.creditors() == set()
        assert service.sender.sent == []

    def test_where_nobody_is_owed_anything_no_run_is_looked_at(self, service):
        service.register("a")
        service.runs.is_down = True
        with pytest.raises(Unavailable):
            service.sweeper.sweep()
        service.runs.is_down = False
        service.sweeper.sweep()
        assert service.doorbell.rings == []

    def test_no_number_of_debts_keeps_a_retry_from_its_time(self, service):
        run_id = owed(service)
        service.sender.script(run_id, Answer(503))
        service.deliver(run_id)
        service.clock.advance(5)
        service.tasks.is_down = True
        with pytest.raises(Unavailable):
            service.sweeper.sweep()
        assert service.doorbell.rung == {run_id}

    def test_every_page_of_debts_has_its_turn(self, service):
        runs = {owed(service, f"task-{number:04}") for number in range(PAGE + 1)}
        for _ in range(2):
            service.sweeper.sweep()
        assert service.doorbell.rung == runs


class TestExpirer:
    def test_a_run_whose_time_is_over_is_owed_nothing_and_gone(self, service, caplog):
        caplog.set_level(logging.INFO)
        run_id = owed(service, lifetime=timedelta(seconds=60))
        stays = owed(service)
        service.clock.advance(59.999)
        service.expirer.expire()
        assert service.runs.missing([run_id]) == set()
        service.clock.advance(0.001)
        service.expirer.expire()
        assert service.runs.missing([run_id, stays]) == {run_id}
        assert service.tasks.creditors() == {stays}
        assert "run.ended" in caplog.messages

    def test_a_run_that_was_being_deleted_is_taken_apart(self, service):
        run_id = owed(service)
        service.runs.change(run_id, {"status": RunStatus.ENDING})
        service.expirer.expire()
        assert service.runs.missing([run_id]) == {run_id}
        assert service.task("a").runs == ()

    def test_one_that_could_not_be_is_when_the_next_comes(self, service):
        run_id = owed(service, lifetime=timedelta(seconds=60))
        service.clock.advance(60)
        service.tasks.is_down = True
        with pytest.raises(Unavailable):
            service.expirer.expire()
        service.tasks.is_down = False
        service.expirer.expire()
        assert service.runs.missing([run_id]) == {run_id}

    def test_many_are_ended_in_pieces(self, service):
        for _ in range(ENDED_AT_ONCE + 1):
            service.register(lifetime=timedelta(seconds=60))
        service.clock.advance(60)
        service.expirer.expire()
        assert service.runs.ended(service.clock.now(), 1000) == []

    def test_a_task_that_ended_and_of_which_nothing_was_heard_for_long_is_forgotten(self, service):
        run_id = owed(service)
        service.read_truth("a", COMPLETE)
        service.deliver(run_id)
        service.clock.advance(30 * DAY)
        service.expirer.forget()
        assert service.task("a").state is COMPLETE
        service.clock.advance(0.001)
        service.expirer.forget()
        assert service.tasks.load([key("a")]) == {}

    def test_a_task_that_is_still_owed_is_not(self, service):
        owed(service, lifetime=timedelta(days=365))
        service.clock.advance(40 * DAY)
        service.expirer.forget()
        assert service.task("a").state is QUEUED

    def test_a_task_that_is_followed_and_was_never_heard_of_is_kept_as_long_as_others(
        self, service
    ):
        service.register("a", sink=NoSink(), lifetime=timedelta(days=365))
        service.clock.advance(29 * DAY)
        service.expirer.forget()
        assert service.task("a").state is State.UNKNOWN

    def test_old_attempts_and_dead_letters_are_forgotten(self, service):
        run_id = owed(service, lifetime=timedelta(days=365))
        service.sender.script(run_id, Answer(404))
        service.deliver(run_id)
        service.clock.advance(7 * DAY)
        service.expirer.forget()
        assert service.buried(run_id)
        service.clock.advance(0.001)
        service.expirer.forget()
        assert service.delivery_log.of_run(run_id, None, 10) == service.buried(run_id) == []


class TestTick:
    def test_of_all_workers_that_offer_one_works(self):
        clock, ticks, worked = FakeClock(), FakeTicks(), []
        workers = [
            Tick("sweep", timedelta(seconds=1), lambda: worked.append(1), ticks, clock)
            for _ in range(3)
        ]
        for round_ in range(1, 4):
            for worker in workers:
                worker.offer()
            assert len(worked) == round_
            clock.advance(1)

    def test_different_work_is_claimed_apart(self):
        clock, ticks, worked = FakeClock(), FakeTicks(), []
        for name in ("sweep", "expire"):
            work = timedelta(seconds=1), lambda name=name: worked.append(name), ticks, clock
            Tick(name, *work).offer()
        assert worked == ["sweep", "expire"]

    def test_work_that_fails_is_offered_again_when_it_is_due(self):
        clock, ticks, worked = FakeClock(), FakeTicks(), []

        def fail_once() -> None:
            worked.append(1)
            if len(worked) == 1:
                raise Unavailable("down")

        tick = Tick("sweep", timedelta(seconds=1), fail_once, ticks, clock)
        with pytest.raises(Unavailable):
            tick.offer()
        tick.offer()
        assert len(worked) == 1
        clock.advance(1)
        tick.offer()
        assert len(worked) == 2


def test_refusals_and_outcomes_are_forgotten_when_nobody_needs_them():
    clock, fingerprints, outcomes = FakeClock(), FakeFingerprints(), FakeOutcomes()
    brief, then = Brief([fingerprints, outcomes], clock), clock.now()
    fingerprints.deny("fp:me", "tesk", then)
    outcomes.keep(Outcome("one", "digest", 0, then, 502))
    brief.forget()
    assert fingerprints.denied_at("fp:me", "tesk") == then
    clock.advance(BRIEFLY.total_seconds() + 1)
    brief.forget()
    assert fingerprints.denied_at("fp:me", "tesk") is None
    assert outcomes.take("digest", 1, then) is None


def test_a_run_whose_worker_died_is_told_on_within_five_seconds():
    """Its lease ends, and the sweep that finds it is offered every half of its time."""
    assert timedelta(seconds=5) > LEASE + SWEEP_EVERY * 1.5


def test_a_lease_outlives_renewals_that_come_late():
    assert RENEW_EVERY * 3 < LEASE
