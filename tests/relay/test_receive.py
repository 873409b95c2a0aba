import logging
import threading
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest

from callback_service.domain.errors import Unavailable, Unknown
from callback_service.domain.run import Run, RunStatus
from callback_service.domain.sink import NoSink
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.receive import Callback, Receiver
from callback_service.relay.record import run_topic, task_topic
from tests.fakes.clock import FakeClock
from tests.fakes.fuse import Fuse
from tests.fakes.store import FakeRuns, FakeTasks
from tests.relay.small_service import OWNER, SmallService, key

QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
INITIALIZING = State.INITIALIZING
# Longer than any test here takes that does not hang.
LONG = 30.0


class TestOne:
    def test_an_update_is_in_the_store_before_the_callback_is_acknowledged(self, service):
        run_id, keys = service.register()
        at = service.clock.advance(1)
        service.call_back(keys, "task-1", QUEUED)
        task = service.task("task-1")
        assert (task.state, task.seq, task.heard_at) == (QUEUED, 1, at)
        assert task.history[0].source is Source.CALLBACK
        assert task.owed == {run_id}

    def test_the_tokens_run_follows_whatever_task_it_hears_of(self, service):
        """So a callback may come before its registration."""
        run_id, keys = service.register()
        service.call_back(keys, "task-1", QUEUED)
        assert service.task("task-1").runs == (run_id,)

    def test_every_run_that_follows_the_task_is_rung(self, service):
        one, keys = service.register("task-1")
        other, _ = service.register("task-1")
        bystander, _ = service.register("task-2")
        service.call_back(keys, "task-1", QUEUED)
        assert service.doorbell.rung == {one, other}
        assert not service.is_owed(bystander)

    def test_whoever_waits_is_woken(self, service):
        run_id, keys = service.register()
        service.call_back(keys, "task-1", QUEUED)
        assert service.waiters.notified == {run_topic(run_id), task_topic(key("task-1"))}

    def test_who_pulls_is_woken_and_not_rung(self, service):
        run_id, keys = service.register(sink=NoSink())
        service.call_back(keys, "task-1", QUEUED)
        assert service.doorbell.rung == set()
        assert run_topic(run_id) in service.waiters.notified

    def test_a_duplicate_is_acknowledged_and_rings_nobody(self, service):
        run_id, keys = service.register()
        service.call_back(keys, "task-1", QUEUED)
        service.deliver()
        service.clock.advance(1)
        service.call_back(keys, "task-1", QUEUED)
        assert service.task("task-1").seq == 1
        assert service.task("task-1").heard_at == service.clock.now()
        assert service.doorbell.rung == set()
        assert not service.is_owed(run_id)

    def test_what_tesk_sends_is_told_and_its_replay_after_a_restart_is_not(self, service):
        run_id, keys = service.register()
        sequence = [INITIALIZING, QUEUED, RUNNING, QUEUED, RUNNING, COMPLETE]
        service.call_back(keys, "task-1", *sequence)
        service.call_back(keys, "task-1", *sequence)
        service.deliver()
        assert service.told(run_id) == [("task-1", state) for state in sequence]

    def test_one_owners_callbacks_never_change_what_another_believes(self, service):
        mine, _ = service.register("task-1", owner="me")
        _, keys = service.register("task-1", owner="you")
        service.call_back(keys, "task-1", COMPLETE)
        known = service.tasks.load([key("task-1", "me"), key("task-1", "you")])
        assert known[key("task-1", "me")].state is State.UNKNOWN
        assert known[key("task-1", "you")].state is COMPLETE
        assert not service.is_owed(mine)


class TestTokens:
    @pytest.mark.parametrize(
        "forged", ["", ".", "r0123456789.", "nobody.nothing", "ü.\x00", "a" * 4000]
    )
    def test_an_unknown_one_opens_nothing(self, service, forged):
        service.register()
        with pytest.raises(Unknown, match="callback URL"):
            service.receiver.receive(Callback(forged, "task-1", QUEUED))
        assert service.tasks.load([key("task-1")]) == {}

    def test_a_runs_id_is_not_its_token(self, service):
        run_id, keys = service.register()
        for forged in (run_id, run_id + ".", run_id + ".x", keys.token + "x", keys.token[:-1]):
            with pytest.raises(Unknown):
                service.receiver.receive(Callback(forged, "task-1", QUEUED))

    def test_one_runs_random_part_does_not_open_another(self, service):
        run_id, _ = service.register()
        _, keys = service.register()
        forged = f"{run_id}.{keys.token.partition('.')[2]}"
        with pytest.raises(Unknown):
            service.receiver.receive(Callback(forged, "task-1", QUEUED))

    def test_what_a_run_has_open_is_not_read_with_each_callback(self, service):
        """A batch of 500 tasks is 47 kB."""
        _, keys = service.register()
        fuse = Fuse()
        receiver = Receiver(
            fuse.protect(service.runs), service.tasks, service.recorder, service.clock
        )
        receiver.receive(Callback(keys.token, "task-1", QUEUED))
        assert fuse.calls == ["FakeRuns.outlines"]

    def test_a_rotated_one_is_good_for_the_overlap_and_the_new_one_at_once(self, service):
        run_id, old = service.register()
        new = service.registrar.rotate(OWNER, run_id, timedelta(minutes=5))
        service.call_back(new, "task-1", QUEUED)
        service.clock.advance(299)
        service.call_back(old, "task-1", RUNNING)
        service.clock.advance(1)
        with pytest.raises(Unknown):
            service.call_back(old, "task-1", COMPLETE)
        service.call_back(new, "task-1", COMPLETE)

    @pytest.mark.parametrize("status", [RunStatus.PAUSED, RunStatus.GONE])
    def test_callbacks_are_taken_for_a_run_that_is_not_told_at_the_moment(self, service, status):
        run_id, keys = service.register()
        service.runs.change(run_id, {"status": status})
        service.call_back(keys, "task-1", QUEUED)
        assert service.is_owed(run_id)

    def test_those_of_a_run_that_expired_or_was_deleted_are_not(self, service):
        _, expired = service.register(lifetime=timedelta(seconds=10))
        run_id, deleted = service.register()
        service.registrar.delete(OWNER, run_id)
        service.clock.advance(10)
        for keys in (expired, deleted):
            with pytest.raises(Unknown):
                service.call_back(keys, "task-1", QUEUED)

    def test_neither_tokens_nor_their_hashes_are_logged(self, service, caplog):
        caplog.set_level(logging.INFO)
        run_id, keys = service.register()
        service.call_back(keys, "task-1", QUEUED)
        with pytest.raises(Unknown):
            service.receiver.receive(Callback(keys.token + "x", "task-1", QUEUED))
        assert {record.message for record in caplog.records} == {
            "callback.received",
            "callback.refused",
        }
        logged = [str(record.__dict__) for record in caplog.records]
        random_part = keys.token.partition(".")[2]
        held = service.run(run_id).tokens[0].value
        assert not any(random_part in line or held in line for line in logged)


class GatedRuns(FakeRuns):
    """Holds up the first group while its gate is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.has_begun = threading.Event()
        self.found: list[set[str]] = []

    def find(self, run_ids: Collection[str]) -> dict[str, Run]:
        self.found.append(set(run_ids))
        self.has_begun.set()
        assert self.gate.wait(LONG)
        return super().find(run_ids)


class TestGroups:
    """Callbacks that arrive while a write is on its way form the next group."""

    @pytest.fixture
    def service(self) -> SmallService:
        return SmallService(runs=GatedRuns())

    @pytest.fixture
    def callers(self):
        with ThreadPoolExecutor(20) as executor:
            yield executor

    def grouped(self, service, callers, *callbacks: Callback) -> list[Future[None]]:
        """Let them come while a first callback is held up, and go on as one group."""
        _, keys = service.register()
        service.runs.has_begun.clear()
        service.runs.gate.clear()
        callers.submit(service.receiver.receive, Callback(keys.token, "first", QUEUED))
        service.runs.has_begun.wait(LONG)
        waiting = []
        for number, callback in enumerate(callbacks):
            waiting.append(callers.submit(service.receiver.receive, callback))
            while len(service.receiver._groups._waiting) <= number:  # noqa: SLF001  it tells who waits
                pass
        service.runs.found.clear()
        service.runs.gate.set()
        return waiting

    def test_a_group_is_loaded_and_written_once_and_acknowledged_to_each(self, service, callers):
        run_id, keys = service.register()
        calls = [Callback(keys.token, f"task-{number}", QUEUED) for number in range(10)]
        for one in self.grouped(service, callers, *calls):
            one.result(LONG)
        assert service.runs.found == [{run_id}]
        assert len(service.tasks.of_run(run_id, None, 100)) == 10

    def test_callbacks_of_one_task_are_believed_in_the_order_of_their_coming(
        self, service, callers
    ):
        run_id, keys = service.register()
        states = [INITIALIZING, QUEUED, RUNNING, QUEUED, RUNNING, COMPLETE, RUNNING]
        calls = [Callback(keys.token, "task-1", state) for state in states]
        for one in self.grouped(service, callers, *calls):
            one.result(LONG)
        assert [update.state for update in service.task("task-1").history] == states[:-1]
        assert service.task("task-1").runs == (run_id,)

    def test_an_unknown_token_fails_for_its_caller_only(self, service, callers):
        _, keys = service.register()
        good, bad, fine = self.grouped(
            service,
            callers,
            Callback(keys.token, "task-1", QUEUED),
            Callback("nobody.nothing", "task-1", COMPLETE),
            Callback(keys.token, "task-1", RUNNING),
        )
        good.result(LONG)
        fine.result(LONG)
        with pytest.raises(Unknown):
            bad.result(LONG)
        assert service.task("task-1").state is RUNNING

    def test_a_store_that_is_down_fails_for_every_caller_and_nothing_is_acknowledged(
        self, service, callers
    ):
        _, keys = service.register()
        calls = [Callback(keys.token, f"task-{number}", QUEUED) for number in range(5)]
        calls.append(Callback("nobody.nothing", "task-1", QUEUED))
        service.tasks.is_down = True
        for one in self.grouped(service, callers, *calls):
            assert isinstance(one.exception(LONG), Unavailable)
        assert service.doorbell.rung == set()
        service.tasks.is_down = False
        service.call_back(keys, "task-1", QUEUED)
        assert service.task("task-1").state is QUEUED


def test_two_processes_that_hear_of_one_task_at_once_agree(service):
    """Each has its own groups; the store is between them."""
    run_id, keys = service.register()
    parts = service.runs, service.tasks, service.recorder, service.clock
    receivers = [Receiver(*parts) for _ in range(4)]
    states = [INITIALIZING, QUEUED, RUNNING, State.PAUSED]

    def call(number: int) -> None:
        for turn in range(10):
            receivers[number].receive(
                Callback(keys.token, "task-1", states[(number + turn) % len(states)])
            )

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(call, range(4)))
    task = service.task("task-1")
    assert [update.seq for update in task.history] == list(range(1, task.seq + 1))
    assert task.runs == (run_id,)
    service.deliver()
    assert len(service.told(run_id)) == task.seq


def test_a_change_is_stamped_when_it_is_decided_however_long_the_store_took_before():
    """Readers go by the stamps, and do not wait for ever for one that becomes visible late."""
    clock = FakeClock()

    class SlowTasks(FakeTasks):
        def load(self, keys: Collection[TaskKey]) -> dict[TaskKey, Task]:
            clock.advance(2)
            return super().load(keys)

    service = SmallService(clock=clock, tasks=SlowTasks())
    _, keys = service.register()
    service.call_back(keys, "a", State.QUEUED)
    (task,) = service.tasks.load([key("a")]).values()
    assert task.updated_at == service.clock.now() - timedelta(seconds=2)
