"""What every store of tasks keeps to: whoever writes at the same time, nothing is lost."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.tasks import MongoTasks
from callback_service.domain.run import Rewind
from callback_service.domain.states import State
from callback_service.domain.task import HISTORY_LIMIT, TaskKey
from callback_service.relay.ports import Tasks
from tests.fakes.store import FakeTasks
from tests.stores.decisions import (
    COMPLETE,
    KEY,
    MANY,
    OTHER,
    POLL,
    QUEUED,
    RUNNING,
    Decision,
    accept,
    at,
    decide,
    hear,
    join,
    load,
    miss,
    record,
    tag,
)


class SavingSuite:
    def test_a_new_task_is_loaded_as_it_was_saved(self, tasks: Tasks):
        saved = record(tasks, join("r1"), hear(QUEUED, 1), join("r2", 2), hear(COMPLETE, 3, POLL))
        assert load(tasks) == saved
        assert tasks.load([OTHER]) == {}

    def test_a_task_that_was_heard_of_by_name_only_is_kept_too(self, tasks: Tasks):
        saved = record(tasks, hear(State.UNKNOWN))
        assert load(tasks) == saved

    @pytest.mark.parametrize(
        "decisions",
        [
            [hear(RUNNING, 1)],
            [hear(RUNNING, 1), hear(QUEUED, 2), hear(RUNNING, 3)],
            [hear(RUNNING, 1, POLL)],
            [join("r2", 1)],
            [join("r2", 1, quiet=True)],
            [join("r2", 1), hear(RUNNING, 2), join("r3", 3)],
            [join("r2", 1), hear(QUEUED, 2, POLL)],
            [hear(QUEUED, 1)],
            [hear(QUEUED, 1, POLL)],
            [hear(State.UNKNOWN, 1)],
            [miss(1)],
            [miss(1), hear(QUEUED, 2, POLL)],
            [miss(1), hear(RUNNING, 2, POLL)],
            [miss(1), join("r2", 2), miss(300)],
            [tag()],
            [tag(), accept(1), hear(QUEUED, 1, POLL)],
            [accept(1)],
            [join("r2", 1), tag(), accept(2), hear(RUNNING, 3)],
        ],
    )
    def test_what_was_decided_is_what_is_kept(self, tasks: Tasks, decisions: list[Decision]):
        """A targeted write of what changed ends in the same document as the decision."""
        record(tasks, join("r0"), join("r1"), hear(QUEUED))
        assert record(tasks, *decisions) == load(tasks)

    def test_a_correction_takes_the_confirmation_with_it(self, tasks: Tasks):
        record(tasks, hear(QUEUED, 1, POLL))
        record(tasks, hear(COMPLETE, 2))
        assert load(tasks).confirmed_at is None

    def test_a_new_task_keeps_all_that_was_decided(self, tasks: Tasks):
        saved = record(tasks, tag(), accept(1), miss(1), miss(300))
        assert load(tasks) == saved
        assert saved.history[-1].reason

    def test_a_task_that_is_found_again_is_not_missing(self, tasks: Tasks):
        record(tasks, hear(QUEUED))
        record(tasks, miss(1))
        record(tasks, hear(QUEUED, 2, POLL))
        assert load(tasks).missing_at is None

    def test_many_tasks_are_saved_at_once_and_each_race_is_its_own(self, tasks: Tasks):
        record(tasks, hear(RUNNING), key=MANY[100])
        changes = [decide(None, join("r1"), hear(QUEUED), key=key) for key in MANY]
        assert tasks.save(changes) == {MANY[100]}
        loaded = tasks.load(MANY)
        assert len(loaded) == len(MANY)
        assert {task.state for key, task in loaded.items() if key != MANY[100]} == {QUEUED}
        assert loaded[MANY[100]].runs == ()

    def test_saving_nothing_is_nothing(self, tasks: Tasks):
        assert tasks.save([]) == set()

    def test_the_history_is_bounded_and_counts_on(self, tasks: Tasks):
        record(tasks, hear(QUEUED))
        for turn in range(3):
            moves = [hear(state, turn) for state in (RUNNING, QUEUED)] * (HISTORY_LIMIT // 4)
            record(tasks, *moves)
        task = load(tasks)
        assert len(task.history) == HISTORY_LIMIT
        assert task.history[-1].seq == task.seq == 1 + 3 * HISTORY_LIMIT // 2

    def test_states_are_told_of_known_tasks_only(self, tasks: Tasks):
        record(tasks, hear(RUNNING))
        assert tasks.states([KEY, OTHER]) == {KEY: RUNNING}

    def test_owners_share_no_task(self, tasks: Tasks):
        mine, yours = KEY, KEY._replace(owner="you")
        record(tasks, hear(RUNNING), key=mine)
        record(tasks, hear(COMPLETE), key=yours)
        assert tasks.states([mine, yours]) == {mine: RUNNING, yours: COMPLETE}


class RaceSuite:
    def test_of_two_who_insert_the_later_one_has_lost(self, tasks: Tasks):
        assert tasks.save([decide(None, hear(QUEUED))]) == set()
        assert tasks.save([decide(None, hear(RUNNING))]) == {KEY}
        assert load(tasks).state is QUEUED

    def test_of_two_who_read_the_same_revision_the_later_one_has_lost(self, tasks: Tasks):
        before = record(tasks, join("r1"), hear(QUEUED))
        assert tasks.save([decide(before, hear(RUNNING, 1))]) == set()
        assert tasks.save([decide(before, hear(COMPLETE, 2))]) == {KEY}
        assert tasks.save([decide(before, join("r2", 3))]) == {KEY}
        assert load(tasks).state is RUNNING
        assert load(tasks).runs == ("r1",)

    def test_of_many_who_read_the_same_revision_one_wins(self, tasks: Tasks):
        before = record(tasks, join("r1"), hear(QUEUED))
        changes = [decide(before, hear(RUNNING, seconds)) for seconds in range(1, 9)]
        with ThreadPoolExecutor(len(changes)) as savers:
            lost = list(savers.map(lambda change: tasks.save([change]), changes))
        assert sorted(map(len, lost)) == [0] + [1] * 7
        assert load(tasks) == changes[lost.index(set())].after

    def test_what_is_there_already_word_for_word_is_saved(self, tasks: Tasks):
        """Its confirmation was lost and it was tried again: going round, it would ring nobody."""
        first = decide(None, join("r1"), hear(QUEUED))
        second = decide(first.after, join("r2", 1), hear(RUNNING, 1))
        for change in (first, first, second, first, second):
            assert tasks.save([change]) == set()
        record(tasks, hear(COMPLETE, 2))
        assert tasks.save([second]) == set()
        assert load(tasks).state is COMPLETE

    def test_the_same_state_told_by_another_or_at_another_time_is_not_the_same(self, tasks: Tasks):
        before = record(tasks, hear(QUEUED))
        tasks.save([decide(before, hear(RUNNING, 1))])
        assert tasks.save([decide(before, hear(RUNNING, 2))]) == {KEY}
        assert tasks.save([decide(before, hear(RUNNING, 1, POLL))]) == {KEY}

    def test_a_repeat_never_loses_nor_turns_the_time_back(self, tasks: Tasks):
        before = record(tasks, hear(QUEUED, 1))
        moved = record(tasks, hear(RUNNING, 5))
        assert tasks.save([decide(before, hear(QUEUED, 3))]) == set()
        assert load(tasks) == moved
        assert tasks.save([decide(before, hear(QUEUED, 9))]) == set()
        assert load(tasks) == replace(moved, heard_at=at(9))

    def test_a_repeat_confirms_only_the_state_that_it_repeats(self, tasks: Tasks):
        """Else a final state that only a callback told would pass for one that was read."""
        before = record(tasks, hear(RUNNING, 1))
        record(tasks, hear(COMPLETE, 2))
        assert tasks.save([decide(before, hear(RUNNING, 3, POLL))]) == set()
        assert load(tasks).confirmed_at is None

    def test_a_repeat_turns_no_acceptance_back(self, tasks: Tasks):
        before = record(tasks, hear(QUEUED, 1))
        moved = record(tasks, hear(RUNNING, 2), accept(5))
        assert tasks.save([decide(before, accept(3))]) == set()
        assert load(tasks) == moved
        assert tasks.save([decide(before, hear(QUEUED, 3), accept(9))]) == set()
        assert load(tasks) == replace(moved, heard_at=at(3), accepted_at=at(9))

    def test_a_step_turns_no_acceptance_back(self, tasks: Tasks):
        before = record(tasks, hear(QUEUED, 1))
        record(tasks, accept(5))
        assert tasks.save([decide(before, accept(3), hear(RUNNING, 3))]) == set()
        assert load(tasks).accepted_at == at(5)

    @pytest.mark.parametrize("step", [[miss(5)], [tag()], [miss(5), tag()], [tag(), join("r1")]])
    def test_a_step_without_a_move_loses_a_race_as_any_other(
        self, tasks: Tasks, step: list[Decision]
    ):
        """Else it would pass for made, as it has no update that could be missed."""
        before = record(tasks, hear(QUEUED))
        record(tasks, join("r1", 1), hear(RUNNING, 2))
        assert tasks.save([decide(before, *step)]) == {KEY}

    @pytest.mark.parametrize("step", [[miss(5)], [tag()], [miss(5), tag()], [tag(), join("r1")]])
    def test_a_step_without_a_move_that_is_there_already_is_saved(
        self, tasks: Tasks, step: list[Decision]
    ):
        before = record(tasks, hear(QUEUED))
        for _ in range(2):
            assert tasks.save([decide(before, *step)]) == set()
        record(tasks, hear(RUNNING, 6))
        assert tasks.save([decide(before, *step)]) == set()

    def test_who_found_a_task_loses_to_who_missed_it_again(self, tasks: Tasks):
        record(tasks, hear(QUEUED))
        before = record(tasks, miss(1))
        found = decide(before, hear(QUEUED, 2, POLL))
        assert tasks.save([found]) == set()
        record(tasks, miss(3))
        assert tasks.save([found]) == {KEY}
        assert load(tasks).missing_at == at(3)

    def test_a_repeat_of_a_task_that_was_forgotten_has_lost(self, tasks: Tasks):
        before = record(tasks, hear(QUEUED))
        tasks.forget(at(1))
        assert tasks.save([decide(before, hear(QUEUED, 2))]) == {KEY}
        assert tasks.save([decide(before, hear(RUNNING, 2))]) == {KEY}

    def test_a_mark_that_came_meanwhile_survives_a_join(self, tasks: Tasks):
        before = record(tasks, join("r1"), hear(QUEUED))
        tasks.mark_told("r1", {KEY: 1})
        assert tasks.save([decide(before, join("r2", 1))]) == set()
        task = load(tasks)
        assert task.owed == {"r2"}
        assert task.delivered == {"r1": 1}

    def test_a_mark_that_came_meanwhile_leaves_the_move_owed(self, tasks: Tasks):
        before = record(tasks, join("r1"), hear(QUEUED))
        tasks.mark_told("r1", {KEY: 1})
        assert tasks.save([decide(before, hear(RUNNING, 1))]) == set()
        task = load(tasks)
        assert task.owed == {"r1"}
        assert [update.state for update in task.updates_for("r1")] == [RUNNING]

    def test_a_mark_that_comes_after_a_newer_update_leaves_it_owed(self, tasks: Tasks):
        record(tasks, join("r1"), hear(QUEUED), hear(RUNNING, 1))
        tasks.mark_told("r1", {KEY: 1})
        task = load(tasks)
        assert task.owed == {"r1"}
        assert [update.state for update in task.updates_for("r1")] == [RUNNING]

    @pytest.mark.parametrize("leave_first", [True, False])
    def test_who_read_the_task_before_a_run_left_goes_round(self, tasks: Tasks, leave_first: bool):
        before = record(tasks, join("r1"), join("r2"), hear(QUEUED))
        if leave_first:
            tasks.leave("r1")
        else:
            tasks.set_quiet("r1", quiet=True)
        assert tasks.save([decide(before, hear(RUNNING, 1))]) == {KEY}
        assert record(tasks, hear(RUNNING, 1)).owed == {"r2"}

    def test_receivers_and_deliverers_at_once_lose_nothing_and_disturb_nobody(self, tasks: Tasks):
        record(tasks, join("r1"), join("r2"))
        turns, receivers = 12, 3
        told: dict[str, list[int]] = {"r1": [], "r2": []}

        def receive(number: int) -> None:
            for turn in range(turns):
                # Each move is unlike the others by its time, and never a repeat.
                record(tasks, move(1 + turn * receivers + number))

        def deliver(run_id: str) -> None:
            while len(told[run_id]) < turns * receivers:
                for task in tasks.owed_to(run_id, 10):
                    told[run_id] += [update.seq for update in task.updates_for(run_id)]
                    tasks.mark_told(run_id, {task.key: task.seq})

        with ThreadPoolExecutor(receivers + len(told)) as workers:
            list(workers.map(receive, range(receivers)))
            list(workers.map(deliver, told))
        assert told == {run_id: list(range(1, turns * receivers + 1)) for run_id in told}
        task = load(tasks)
        assert task.seq == turns * receivers
        assert task.owed == set()


def move(seconds: float) -> Decision:
    """Into another state than the one that it is in, whichever that is."""
    return lambda task: hear(QUEUED if task.state is RUNNING else RUNNING, seconds)(task)


class DebtSuite:
    def test_creditors_are_the_runs_that_anything_is_owed(self, tasks: Tasks):
        assert tasks.creditors() == set()
        record(tasks, join("r1"), join("r2"), join("q1", quiet=True), hear(QUEUED))
        record(tasks, join("r3"), key=OTHER)
        assert tasks.creditors() == {"r1", "r2"}
        tasks.mark_told("r1", {KEY: 1})
        assert tasks.creditors() == {"r2"}

    def test_creditors_come_in_pages(self, tasks: Tasks):
        for one, run_id in zip(MANY, ("ra", "rb", "rc"), strict=False):
            record(tasks, join(run_id), hear(QUEUED), key=one)
        pages = [tasks.creditors(skip, 1) for skip in range(4)]
        assert sorted(map(sorted, pages)) == [[], ["ra"], ["rb"], ["rc"]]

    def test_what_a_run_is_owed_comes_longest_unchanged_first(self, tasks: Tasks):
        record(tasks, join("r1"), hear(QUEUED, 3), key=MANY[1])
        record(tasks, join("r1"), hear(QUEUED, 1), key=MANY[2])
        record(tasks, join("r1"), hear(QUEUED, 3), key=MANY[0])
        record(tasks, join("r2"), hear(QUEUED, 0), key=MANY[3])
        owed = [task.key for task in tasks.owed_to("r1", 10)]
        assert owed == [MANY[2], MANY[0], MANY[1]]
        assert [task.key for task in tasks.owed_to("r1", 2)] == owed[:2]

    def test_a_run_that_joins_late_is_owed_what_was_there(self, tasks: Tasks):
        record(tasks, join("r1"), hear(QUEUED))
        tasks.mark_told("r1", {KEY: 1})
        record(tasks, join("r2", 1))
        assert tasks.creditors() == {"r2"}

    def test_marks_only_ever_rise(self, tasks: Tasks):
        record(tasks, join("r1"), hear(QUEUED), hear(RUNNING, 1))
        tasks.mark_told("r1", {KEY: 2})
        tasks.mark_told("r1", {KEY: 1})
        assert load(tasks).delivered == {"r1": 2}
        assert load(tasks).owed == set()

    def test_a_mark_does_not_touch_the_revision(self, tasks: Tasks):
        before = record(tasks, join("r1"), hear(QUEUED))
        tasks.mark_told("r1", {KEY: 1})
        assert load(tasks).rev == before.rev

    def test_many_marks_at_once(self, tasks: Tasks):
        tasks.save([decide(None, join("r1"), hear(QUEUED), key=key) for key in MANY])
        record(tasks, hear(RUNNING, 1), key=MANY[7])
        tasks.mark_told("r1", dict.fromkeys(MANY, 1))
        assert [task.key for task in tasks.owed_to("r1", 500)] == [MANY[7]]

    def test_marking_what_is_not_there_is_harmless(self, tasks: Tasks):
        tasks.mark_told("r1", {KEY: 1})
        tasks.mark_told("r1", {})
        assert tasks.load([KEY]) == {}

    def test_a_run_that_left_is_gone_without_a_trace(self, tasks: Tasks):
        tasks.save(
            [
                decide(None, hear(QUEUED), join("r1"), join("r2", quiet=True), key=key)
                for key in MANY
            ]
        )
        tasks.mark_told("r1", {MANY[0]: 1})
        for run_id in ("r1", "r2"):
            tasks.leave(run_id)
            assert tasks.of_run(run_id, None, 10) == []
        # A worker that was still delivering marks late.
        tasks.mark_told("r1", dict.fromkeys(MANY, 1))
        for task in tasks.load(MANY).values():
            assert not task.runs
            assert not task.owed
            assert not task.quiet
            assert not task.joined
            assert not task.delivered


class RewindSuite:
    @pytest.fixture(autouse=True)
    def three_updates(self, tasks: Tasks):
        """Three updates, at 10, 20 and 30 seconds, told to r1 in full and to r2 up to the first."""
        moves = [hear(QUEUED, 10), hear(RUNNING, 20), hear(COMPLETE, 30)]
        record(tasks, join("r1"), join("r2"), join("q1", quiet=True), *moves)
        tasks.mark_told("r1", {KEY: 3})
        tasks.mark_told("r2", {KEY: 1})

    @pytest.mark.parametrize(
        ("since", "told"), [(None, 0), (5, 0), (10, 0), (10.5, 1), (20, 1), (30, 2)]
    )
    def test_it_is_owed_again_what_came_since(self, tasks: Tasks, since: float | None, told: int):
        tasks.rewind("r1", Rewind(None if since is None else at(since)))
        assert load(tasks).delivered["r1"] == told
        assert "r1" in load(tasks).owed

    def test_where_nothing_came_since_nothing_is_owed(self, tasks: Tasks):
        tasks.rewind("r1", Rewind(at(31)))
        assert load(tasks).delivered["r1"] == 3
        assert load(tasks).owed == {"r2"}

    def test_it_never_counts_as_told_what_was_not(self, tasks: Tasks):
        tasks.rewind("r2", Rewind(at(30)))
        assert load(tasks).delivered["r2"] == 1
        assert load(tasks).owed == {"r2"}

    def test_it_reaches_the_named_tasks_only(self, tasks: Tasks):
        tasks.rewind("r1", Rewind(None, (OTHER.task_id,)))
        assert load(tasks).delivered["r1"] == 3
        tasks.rewind("r1", Rewind(None, (KEY.task_id, OTHER.task_id)))
        assert load(tasks).delivered["r1"] == 0

    def test_it_reaches_tasks_beyond_one_page(self, tasks: Tasks):
        tasks.save([decide(None, join("r1"), hear(QUEUED, 40), key=key) for key in MANY])
        tasks.mark_told("r1", dict.fromkeys(MANY, 1))
        tasks.rewind("r1", Rewind(at(35)))
        assert len(tasks.owed_to("r1", 500)) == len(MANY)

    def test_who_pulls_is_owed_nothing(self, tasks: Tasks):
        tasks.rewind("q1", Rewind())
        assert "q1" not in load(tasks).owed

    def test_a_task_without_updates_owes_nothing(self, tasks: Tasks):
        record(tasks, join("r1"), key=OTHER)
        tasks.rewind("r1", Rewind())
        assert load(tasks, OTHER).owed == set()


class QuietSuite:
    def test_a_run_that_turns_quiet_is_owed_nothing_any_more(self, tasks: Tasks):
        record(tasks, join("r1"), join("r2"), hear(QUEUED))
        tasks.set_quiet("r1", quiet=True)
        record(tasks, hear(RUNNING, 1))
        assert load(tasks).owed == {"r2"}
        assert load(tasks).runs == ("r1", "r2")

    def test_a_run_that_is_pushed_again_is_owed_what_it_was_not_told(self, tasks: Tasks):
        record(tasks, join("r1"), hear(QUEUED))
        record(tasks, join("r1"), hear(QUEUED), key=OTHER)
        record(tasks, join("r1"), key=MANY[0])
        tasks.mark_told("r1", {KEY: 1, OTHER: 1})
        tasks.set_quiet("r1", quiet=True)
        record(tasks, hear(RUNNING, 1))
        tasks.set_quiet("r1", quiet=False)
        assert [task.key for task in tasks.owed_to("r1", 10)] == [KEY]
        assert not any(task.quiet for task in tasks.of_run("r1", None, 10))

    @pytest.mark.parametrize("quiet", [True, False])
    def test_being_told_twice_changes_nothing(self, tasks: Tasks, quiet: bool):
        record(tasks, join("r1"), hear(QUEUED))
        tasks.set_quiet("r1", quiet=quiet)
        before = load(tasks)
        tasks.set_quiet("r1", quiet=quiet)
        assert load(tasks) == before

    def test_many_tasks_turn_quiet_and_back(self, tasks: Tasks):
        tasks.save([decide(None, join("r1"), hear(QUEUED), key=key) for key in MANY])
        tasks.set_quiet("r1", quiet=True)
        assert tasks.creditors() == set()
        tasks.set_quiet("r1", quiet=False)
        assert len(tasks.owed_to("r1", 500)) == len(MANY)


class ReadingSuite:
    def test_a_runs_tasks_are_paged_by_key(self, tasks: Tasks):
        tasks.save([decide(None, join("r1"), key=key) for key in reversed(MANY)])
        first = tasks.of_run("r1", None, 100)
        rest = tasks.of_run("r1", str(first[-1].key), 500)
        assert [task.key for task in first + rest] == MANY

    def test_the_last_change_is_that_of_any_of_the_runs_tasks(self, tasks: Tasks):
        record(tasks, join("r1"), hear(RUNNING, 1), hear(COMPLETE, 7))
        record(tasks, join("r1"), hear(RUNNING, 5), hear(RUNNING, 9), key=OTHER)
        record(tasks, join("r2"), hear(RUNNING, 8), key=MANY[0])
        assert tasks.last_change("r1") == at(7)
        assert tasks.last_change("r3") is None

    def test_counts_are_of_the_runs_own_tasks(self, tasks: Tasks):
        for key, state in zip(MANY[:3], (QUEUED, QUEUED, COMPLETE), strict=True):
            record(tasks, join("r1"), hear(state), key=key)
        record(tasks, join("r2"), hear(RUNNING), key=OTHER)
        tasks.mark_told("r1", {MANY[0]: 1})
        assert tasks.counts("r1") == ({QUEUED: 2, COMPLETE: 1}, 2)
        assert tasks.counts("r3") == ({}, 0)

    def test_changes_are_read_on_from_a_place(self, tasks: Tasks):
        for key, seconds in zip(MANY[:5], (3, 1, 2, 2, 2), strict=True):
            record(tasks, join("r1"), hear(QUEUED, seconds), key=key)
        record(tasks, join("r2"), hear(QUEUED, 2), key=OTHER)
        # Followed, but never heard of.
        record(tasks, join("r1", 2), key=MANY[5])
        in_order = [MANY[1], MANY[2], MANY[3], MANY[4], MANY[0]]

        def read(since: float, after: str, limit: int = 10) -> list[TaskKey]:
            return [task.key for task in tasks.changed_for("r1", at(since), after, limit)]

        assert read(0, "") == in_order
        assert read(0, "", 2) == in_order[:2]
        assert read(2, "") == in_order[1:]
        assert read(2, str(MANY[3])) == in_order[3:]
        assert read(3, str(MANY[0])) == []

    def test_what_changed_since_a_time_names_whom_it_concerns(self, tasks: Tasks):
        record(tasks, join("r1", 1), join("r2", 1))
        record(tasks, join("r1", 2), hear(QUEUED, 2), key=OTHER)
        record(tasks, hear(QUEUED, 9), hear(QUEUED, 9), key=MANY[0])
        record(tasks, hear(State.UNKNOWN, 9), key=MANY[1])
        changed = tasks.changed_since(at(2))
        assert sorted(changed) == [(MANY[0], 1, ()), (OTHER, 2, ("r1",))]
        assert {key for key, _, _ in tasks.changed_since(at(0))} == {KEY, OTHER, MANY[0]}


class ForgettingSuite:
    def test_a_task_of_which_nothing_was_heard_for_long_is_forgotten(self, tasks: Tasks):
        record(tasks, hear(QUEUED, 1))
        record(tasks, join("r1", 1, quiet=True), hear(State.COMPLETE, 1), key=OTHER)
        record(tasks, hear(State.UNKNOWN, 1), key=MANY[0])
        assert tasks.forget(at(1)) == 0
        assert tasks.forget(at(2)) == 3
        assert tasks.load([KEY, OTHER, MANY[0]]) == {}

    def test_a_repeat_keeps_it_alive(self, tasks: Tasks):
        record(tasks, hear(QUEUED, 1))
        record(tasks, hear(QUEUED, 5))
        assert tasks.forget(at(5)) == 0

    def test_what_is_owed_is_never_forgotten(self, tasks: Tasks):
        record(tasks, join("r1"), hear(State.COMPLETE))
        assert tasks.forget(at(1000)) == 0
        tasks.mark_told("r1", {KEY: 1})
        assert tasks.forget(at(1000)) == 1

    @pytest.mark.parametrize("states", [[], [RUNNING]])
    def test_what_a_run_still_waits_for_is_not_forgotten(
        self, tasks: Tasks, states: Sequence[State]
    ):
        """Else a task that runs for longer than that would end without the run being told."""
        record(tasks, join("r1"), *(hear(state) for state in states))
        tasks.mark_told("r1", {KEY: len(states)})
        assert tasks.forget(at(1000)) == 0
        tasks.leave("r1")
        assert tasks.forget(at(1000)) == 1

    def test_however_many_there_are(self, tasks: Tasks):
        tasks.save([decide(None, hear(QUEUED), key=key) for key in MANY])
        assert tasks.forget(at(1)) == len(MANY)


class TasksSuite(SavingSuite, RaceSuite, DebtSuite, QuietSuite, ReadingSuite, ForgettingSuite): ...


class TestFakeTasks(TasksSuite):
    @pytest.fixture
    def tasks(self) -> Tasks:
        return FakeTasks()


class TestFakeTasksRewind(RewindSuite):
    @pytest.fixture
    def tasks(self) -> Tasks:
        return FakeTasks()


@pytest.mark.services
class TestMongoTasks(TasksSuite):
    @pytest.fixture
    def tasks(self, mongo_connection: Connection) -> Tasks:
        return MongoTasks(mongo_connection)


@pytest.mark.services
class TestMongoTasksRewind(RewindSuite):
    @pytest.fixture
    def tasks(self, mongo_connection: Connection) -> Tasks:
        return MongoTasks(mongo_connection)
