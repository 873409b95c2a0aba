from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from callback_service.domain.errors import Unavailable
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Change
from callback_service.relay.record import ROUNDS, Recorder, Step, run_topic, task_topic
from tests.fakes.clock import START
from tests.fakes.doorbell import FakeDoorbell
from tests.fakes.fuse import Fuse
from tests.fakes.store import FakeTasks
from tests.fakes.waiters import FakeWaiters

KEY, OTHER = TaskKey("local", "tesk", "task-1"), TaskKey("local", "tesk", "task-2")
QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
CALLBACK, POLL = Source.CALLBACK, Source.POLL


class RacedTasks(FakeTasks):
    """Before each save, as long as there are rivals, one of them writes first."""

    def __init__(self) -> None:
        super().__init__()
        self.rivals: list[Callable[[], None]] = []
        self.saves: list[Sequence[Change]] = []

    def save(self, changes: Sequence[Change]) -> set[TaskKey]:
        if self.rivals:
            self.rivals.pop(0)()
        self.saves.append(changes)
        return super().save(changes)

    def write(self, *steps: Step) -> Callable[[], None]:
        """What another process does meanwhile."""

        def written() -> None:
            for key, decide in steps:
                before = self.load([key]).get(key)
                assert not super(RacedTasks, self).save(
                    [Change(before, decide(before or Task(key)))]
                )

        return written


@pytest.fixture
def tasks() -> RacedTasks:
    return RacedTasks()


@pytest.fixture
def doorbell() -> FakeDoorbell:
    return FakeDoorbell()


@pytest.fixture
def waiters() -> FakeWaiters:
    return FakeWaiters()


@pytest.fixture
def recorder(tasks, doorbell, waiters) -> Recorder:
    return Recorder(tasks, doorbell, waiters)


def hear(state: State, source: Source = CALLBACK, key: TaskKey = KEY) -> Step:
    return Step(key, lambda task: task.hear(state, source, START))


def join(run_id: str, key: TaskKey = KEY, *, quiet: bool = False) -> Step:
    return Step(key, lambda task: task.join(run_id, START, quiet=quiet))


def load(tasks: FakeTasks, key: TaskKey = KEY) -> Task:
    return tasks.load([key])[key]


class TestSaving:
    def test_steps_of_one_task_are_made_in_order_and_saved_in_one_write(self, recorder, tasks):
        recorder.record([join("r1"), hear(QUEUED), hear(RUNNING), hear(QUEUED)])
        states = [update.state for update in load(tasks).history]
        assert states == [QUEUED, RUNNING, QUEUED]
        assert [len(changes) for changes in tasks.saves] == [1]

    def test_steps_of_many_tasks_are_saved_in_one_round(self, recorder, tasks):
        changes = recorder.record([hear(QUEUED), hear(RUNNING, key=OTHER), hear(COMPLETE)])
        assert len(tasks.saves) == 1
        assert {change.after.key: change.after.state for change in changes} == {
            KEY: COMPLETE,
            OTHER: RUNNING,
        }

    def test_where_nothing_is_decided_nothing_is_written(self, recorder, tasks, doorbell):
        recorder.record([join("r1")])
        tasks.saves.clear()
        assert recorder.record([join("r1")]) == []
        assert recorder.record([]) == []
        assert tasks.saves == []
        assert doorbell.rings == []

    def test_a_repeat_is_written_even_in_the_same_millisecond(self, recorder, tasks):
        """The write that it repeats may not be durable yet."""
        recorder.record([hear(QUEUED)])
        recorder.record([hear(QUEUED)])
        assert len(tasks.saves) == 2


class TestRaces:
    @pytest.mark.parametrize("lost", [1, 3, ROUNDS - 1])
    def test_who_loses_a_race_decides_again_on_what_won_it(self, recorder, tasks, lost):
        tasks.rivals = [
            tasks.write(hear(QUEUED if turn % 2 else RUNNING, POLL)) for turn in range(lost)
        ]
        recorder.record([join("r1"), hear(COMPLETE)])
        task = load(tasks)
        assert task.state is COMPLETE
        assert task.seq == lost + 1
        assert task.runs == ("r1",)

    def test_who_lost_to_a_final_state_does_not_overwrite_it(self, recorder, tasks):
        recorder.record([join("r1"), hear(QUEUED)])
        tasks.rivals = [tasks.write(hear(COMPLETE))]
        recorder.record([hear(RUNNING)])
        assert load(tasks).state is COMPLETE
        assert load(tasks).seq == 2

    def test_only_who_lost_goes_round_again(self, recorder, tasks):
        recorder.record([hear(QUEUED), hear(QUEUED, key=OTHER)])
        tasks.saves.clear()
        tasks.rivals = [tasks.write(hear(RUNNING))]
        recorder.record([hear(COMPLETE), hear(COMPLETE, key=OTHER)])
        assert [{change.after.key for change in changes} for changes in tasks.saves] == [
            {KEY, OTHER},
            {KEY},
        ]

    def test_a_store_that_says_every_race_was_lost_is_not_believed_for_ever(self, recorder, tasks):
        tasks.rivals = [
            tasks.write(hear(QUEUED if turn % 2 else RUNNING, POLL)) for turn in range(ROUNDS)
        ]
        with pytest.raises(Unavailable, match="too many at once"):
            recorder.record([hear(COMPLETE)])

    def test_of_many_who_record_at_once_none_is_lost(self, tasks, doorbell, waiters):
        recorders = [Recorder(tasks, doorbell, waiters) for _ in range(8)]

        def write(number: int) -> None:
            recorders[number].record([join(f"r{number}")])
            recorders[number].record([hear(State.RUNNING if number % 2 else State.QUEUED, POLL)])

        with ThreadPoolExecutor(8) as executor:
            list(executor.map(write, range(8)))
        task = load(tasks)
        assert sorted(task.runs) == [f"r{number}" for number in range(8)]
        assert [update.seq for update in task.history] == list(range(1, task.seq + 1))


class TestTelling:
    def test_the_bell_rings_for_the_runs_that_are_owed_and_for_no_other(self, recorder, doorbell):
        recorder.record([join("r1"), join("q1", quiet=True), join("r2", OTHER)])
        assert doorbell.rung == set()
        recorder.record([hear(QUEUED)])
        assert doorbell.rung == {"r1"}

    def test_a_late_join_rings_too(self, recorder, doorbell):
        recorder.record([hear(QUEUED)])
        recorder.record([join("r1")])
        assert doorbell.rung == {"r1"}

    def test_a_repeat_rings_and_wakes_nobody(self, recorder, doorbell, waiters):
        recorder.record([join("r1"), hear(QUEUED)])
        doorbell.answer()
        waiters.notified.clear()
        recorder.record([hear(QUEUED), hear(State.UNKNOWN)])
        assert doorbell.rung == set()
        assert waiters.notified == set()

    def test_a_move_wakes_those_who_wait_for_the_task_or_for_a_run_that_follows_it(
        self, recorder, waiters
    ):
        recorder.record([join("r1"), join("q1", quiet=True), hear(QUEUED)])
        assert waiters.notified == {task_topic(KEY), run_topic("r1"), run_topic("q1")}

    def test_nobody_is_told_of_what_is_not_saved(self, recorder, tasks, doorbell, waiters):
        tasks.is_down = True
        with pytest.raises(Unavailable):
            recorder.record([join("r1"), hear(QUEUED)])
        assert doorbell.rung == set()
        assert waiters.notified == set()

    def test_who_won_is_told_of_although_another_goes_round(self, tasks, doorbell, waiters):
        """The store fails in the second round: the first is saved, and somebody waits for it."""
        recorder = Recorder(Fuse(at=2, error=Unavailable("down")).protect(tasks), doorbell, waiters)
        tasks.rivals = [tasks.write(hear(RUNNING))]
        with pytest.raises(Unavailable):
            recorder.record([hear(COMPLETE), join("r2", OTHER), hear(COMPLETE, key=OTHER)])
        assert doorbell.rung == {"r2"}

    def test_what_was_saved_without_an_answer_is_saved_once(self, tasks, doorbell, waiters):
        down = Fuse(at=1, after_effect=True, error=Unavailable("no answer"))
        recorder = Recorder(down.protect(tasks), doorbell, waiters)
        steps = [join("r1"), hear(QUEUED)]
        with pytest.raises(Unavailable):
            recorder.record(steps)
        recorder.record(steps)
        assert load(tasks).seq == 1
        assert load(tasks).owed == {"r1"}
