from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.states import FINAL, Source, State
from callback_service.domain.task import HISTORY_LIMIT, LOST, MISSING_FOR, Task, TaskKey
from tests.fakes.clock import START

TASK = Task(TaskKey("local", "tesk", "task-1"))
QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
CALLBACK, POLL = Source.CALLBACK, Source.POLL
# All that says something.
KNOWN = [state for state in State if state is not State.UNKNOWN]
HEARSAY = [source for source in Source if not source.is_truth]
TRUTHS = [source for source in Source if source.is_truth]
RUNS = ["r1", "r2", "r3"]

Event = Callable[[Task], Task]


def at(seconds: float):
    return START + timedelta(seconds=seconds)


def hear(state: State, seconds: float = 0, source: Source = CALLBACK) -> Event:
    return lambda task: task.hear(state, source, at(seconds))


def join(run_id: str, seconds: float = 0, *, quiet: bool = False) -> Event:
    return lambda task: task.join(run_id, at(seconds), quiet=quiet)


def miss(seconds: float) -> Event:
    return lambda task: task.miss(at(seconds))


def accept(seconds: float) -> Event:
    return lambda task: task.accept(at(seconds))


def tell(run_id: str) -> Event:
    """What a store does when everything was told to a run."""

    def told(task: Task) -> Task:
        if run_id not in task.runs:
            return task
        delivered = {**task.delivered, run_id: task.seq}
        return replace(task, delivered=delivered, owed=task.owed - {run_id})

    return told


def after(*events: Event, task: Task = TASK) -> Task:
    for event in events:
        task = event(task)
    return task


STATES, SECONDS, RUN_IDS = st.sampled_from(State), st.integers(0, 60), st.sampled_from(RUNS)
HEARINGS = st.builds(hear, STATES, SECONDS, st.sampled_from(Source))
CALLBACKS = st.builds(hear, STATES, SECONDS, st.sampled_from(HEARSAY))
JOINS = st.builds(join, RUN_IDS, SECONDS)
# Seconds or minutes apart, which is what a miss depends on.
MISSES = st.builds(miss, SECONDS | st.integers(0, 600))
ASIDES = st.builds(accept, SECONDS) | st.just(Task.tag)
EVENTS = st.lists(HEARINGS | JOINS | MISSES | ASIDES | st.builds(tell, RUN_IDS), max_size=25)


class TestBelief:
    @given(state=st.sampled_from(KNOWN), source=st.sampled_from(Source))
    def test_a_repeat_changes_nothing_but_when_the_task_was_heard_of(self, state, source):
        first = after(join("r1"), hear(state, 1, source))
        again = after(hear(state, 2), task=first)
        assert again == replace(first, heard_at=at(2))

    @given(known=STATES, source=st.sampled_from(Source))
    def test_unknown_is_no_news(self, known, source):
        before = after(join("r1"), hear(known, 1, POLL))
        assert after(hear(State.UNKNOWN, 2, source), task=before) == replace(before, heard_at=at(2))

    @pytest.mark.parametrize(("known", "told"), list(product(State, KNOWN)))
    def test_a_callback_moves_a_task_between_any_two_states_but_out_of_no_final_one(
        self, known, told
    ):
        """TESK goes back from RUNNING to QUEUED for each executor: there is no ladder of states."""
        before = after(hear(known, 1))
        task = after(hear(told, 2), task=before)
        assert task.state is (known if known in FINAL else told)
        assert task.seq - before.seq == (task.state is not known)

    @given(known=STATES, told=st.sampled_from(KNOWN), source=st.sampled_from(TRUTHS))
    def test_the_servers_own_answer_is_believed_whatever_was_known(self, known, told, source):
        task = after(join("r1"), hear(known, 1), tell("r1"), hear(told, 2, source))
        assert task.state is told
        if told is not known:
            assert task.history[-1].source is source
            assert task.owed == {"r1"}

    @given(events=EVENTS, truth=st.sampled_from(KNOWN))
    def test_whatever_was_repeated_reordered_or_lost_the_truth_ends_it(self, events, truth):
        # Later than any of the events.
        task = after(*events, hear(truth, 601, POLL))
        assert task.state is truth
        assert task.confirmed_at == at(601)

    @given(callbacks=st.lists(CALLBACKS, max_size=12), replays=st.integers(1, 3))
    def test_a_replay_of_everything_after_the_end_changes_nothing(self, callbacks, replays):
        """TESK sends all of it again after it was restarted."""
        ended = after(*callbacks, hear(COMPLETE, 60))
        replayed = after(*callbacks * replays, task=ended)
        assert replace(replayed, heard_at=None) == replace(ended, heard_at=None)

    @given(calls=st.permutations([State.INITIALIZING, QUEUED, RUNNING, COMPLETE]))
    def test_in_whatever_order_callbacks_come_the_task_ends_in_the_final_one(self, calls):
        assert after(*map(hear, calls)).state is COMPLETE

    @given(events=EVENTS)
    def test_the_state_is_that_of_the_last_update(self, events):
        task = after(*events)
        last = task.history[-1].state if task.history else State.UNKNOWN
        assert task.state is last

    @given(events=EVENTS)
    def test_no_update_repeats_the_one_before_it_and_each_knows_what_it_came_after(self, events):
        task = after(*events)
        states = [State.UNKNOWN, *(update.state for update in task.history)]
        assert [task.previous(update) for update in task.history] == states[:-1]
        assert all(task.previous(update) is not update.state for update in task.history)


class TestConfirmation:
    """A final state that only a callback told is confirmed once by a read."""

    def test_a_callback_confirms_nothing(self):
        assert after(hear(COMPLETE, 1)).confirmed_at is None

    @pytest.mark.parametrize("source", TRUTHS)
    def test_the_truth_confirms_the_state_that_it_repeats(self, source):
        task = after(hear(COMPLETE, 1), hear(COMPLETE, 2, source))
        assert task.confirmed_at == at(2)
        assert task.seq == 1

    def test_what_a_server_says_is_as_old_as_the_question(self):
        moved = TASK.hear(RUNNING, POLL, at(9), asked_at=at(1))
        assert (moved.confirmed_at, moved.heard_at, moved.updated_at) == (at(1), at(9), at(9))
        assert moved.history[-1].at == at(9)
        again = moved.hear(RUNNING, POLL, at(19), asked_at=at(11))
        assert (again.confirmed_at, again.heard_at) == (at(11), at(19))

    @pytest.mark.parametrize("state", [RUNNING, COMPLETE])
    def test_but_an_earlier_question_that_is_answered_later_takes_nothing_back(self, state):
        known = TASK.hear(RUNNING, POLL, at(6), asked_at=at(5))
        assert known.hear(state, POLL, at(9), asked_at=at(1)).confirmed_at == at(5)

    def test_a_callback_that_moves_on_takes_the_confirmation_with_it(self):
        assert after(hear(RUNNING, 1, POLL), hear(COMPLETE, 2)).confirmed_at is None

    def test_a_callback_that_repeats_leaves_it(self):
        assert after(hear(RUNNING, 1, POLL), hear(RUNNING, 2)).confirmed_at == at(1)

    def test_a_server_that_does_not_know_confirms_nothing(self):
        """Else a final state that only a callback told would pass for one that was read."""
        assert after(hear(COMPLETE, 1), hear(State.UNKNOWN, 2, POLL)).confirmed_at is None


class TestMissing:
    """A server that knows no such task: it says so twice, minutes apart, before it is believed."""

    def test_the_first_time_only_the_time_is_kept(self):
        before = after(join("r1"), hear(RUNNING), tell("r1"))
        missing = after(miss(1), task=before)
        assert missing == replace(before, missing_at=at(1), rev=before.rev + 1)

    @given(seconds=st.integers(0, 119))
    def test_soon_after_it_says_nothing_new(self, seconds):
        missing = after(hear(RUNNING), miss(1))
        assert after(miss(1 + seconds), task=missing) is missing

    @given(seconds=st.integers(120, 10**6), state=st.sampled_from(sorted(set(State) - FINAL)))
    def test_minutes_later_the_task_is_lost_and_whoever_follows_it_is_told_why(
        self, seconds, state
    ):
        task = after(join("r1"), hear(state), tell("r1"), miss(1), miss(1 + seconds))
        assert task.state is State.SYSTEM_ERROR
        assert task.history[-1].reason == LOST
        assert task.history[-1].source is POLL
        assert task.owed == {"r1"}
        assert task.is_settled

    def test_one_of_which_nothing_was_ever_heard_is_lost_too(self):
        task = after(join("r1"), miss(0), miss(MISSING_FOR.total_seconds()))
        assert task.owed == {"r1"}
        assert task.seq == 1

    @pytest.mark.parametrize("source", TRUTHS)
    @pytest.mark.parametrize("state", KNOWN)
    def test_a_server_that_knows_it_after_all_ends_it(self, source, state):
        task = after(hear(RUNNING), miss(1), hear(state, 2, source))
        assert task.missing_at is None
        assert task.state is state
        assert after(miss(300), task=task).history == task.history

    @given(event=st.builds(hear, STATES, SECONDS, st.sampled_from(HEARSAY)) | JOINS | ASIDES)
    def test_nothing_else_does(self, event):
        """A callback may be late, and the server that sent it may have lost the task since."""
        assert after(hear(RUNNING), miss(1), event).missing_at == at(1)

    def test_a_server_that_does_not_know_the_state_does_not_end_it(self):
        assert after(hear(RUNNING), miss(1), hear(State.UNKNOWN, 2, POLL)).missing_at == at(1)

    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_an_ended_task_that_the_server_has_forgotten_stays_as_it_ended(self, state):
        before = after(join("r1"), hear(state), tell("r1"))
        task = after(miss(1), miss(300), task=before)
        assert task == replace(before, heard_at=at(300), confirmed_at=at(1))

    def test_a_lost_task_that_is_found_again_goes_on(self):
        task = after(hear(RUNNING), miss(1), miss(300), hear(RUNNING, 400, POLL))
        assert task.state is RUNNING
        assert task.missing_at is None

    @given(events=EVENTS)
    def test_only_what_was_concluded_here_has_a_reason(self, events):
        for update in after(*events).history:
            if update.reason:
                assert (update.state, update.source) == (State.SYSTEM_ERROR, POLL)


class TestAsides:
    @given(events=EVENTS)
    def test_acceptance_changes_nothing_but_its_time(self, events):
        before = after(*events)
        assert after(accept(7), task=before) == replace(before, accepted_at=at(7))

    def test_a_tag_is_found_once_and_stays(self):
        before = after(join("r1"), hear(QUEUED))
        tagged = before.tag()
        assert tagged == replace(before, is_tagged=True, rev=before.rev + 1)
        assert tagged.tag() is tagged

    @given(events=EVENTS)
    def test_nothing_takes_the_tag_off(self, events):
        assert after(Task.tag, *events).is_tagged


class TestSettled:
    """Nobody needs to ask any more: it ended, and the server said so."""

    @pytest.mark.parametrize(("state", "source"), list(product(State, Source)))
    def test_it_takes_an_end_and_the_servers_word(self, state, source):
        assert after(hear(state, 1, source)).is_settled == (state in FINAL and source.is_truth)

    def test_the_servers_word_of_what_came_before_is_not_its_word_of_the_end(self):
        assert not after(hear(RUNNING, 1, POLL), hear(COMPLETE, 2)).is_settled

    @given(
        events=st.lists(CALLBACKS | JOINS | MISSES | ASIDES, max_size=12),
        end=st.sampled_from(sorted(FINAL)),
    )
    def test_only_the_server_itself_unsettles_it(self, events, end):
        assert after(hear(end, 1, POLL), *events).is_settled
        assert not after(hear(end, 1, POLL), *events, hear(RUNNING, 61, POLL)).is_settled


class TestCounting:
    @given(events=EVENTS)
    def test_seq_counts_the_updates_one_by_one(self, events):
        task = after(*events)
        assert [update.seq for update in task.history] == list(range(1, task.seq + 1))

    @given(events=EVENTS, event=HEARINGS | JOINS | MISSES | ASIDES)
    def test_the_revision_rises_with_every_step_and_with_nothing_else(self, events, event):
        """All but when it was heard of, confirmed and accepted is saved under the revision."""
        before = after(*events)
        task = event(before)
        times = dict.fromkeys(("heard_at", "confirmed_at", "accepted_at"))
        stepped = replace(task, **times) != replace(before, **times)
        assert (task.rev > before.rev) == stepped

    @given(events=EVENTS, event=HEARINGS | JOINS | MISSES | ASIDES)
    def test_a_task_changes_for_its_followers_when_it_moves_or_is_joined(self, events, event):
        before = after(*events)
        task = event(before)
        moved = task.seq != before.seq or task.runs != before.runs
        assert (task.updated_at != before.updated_at) <= moved

    def test_the_history_is_bounded_and_seq_goes_on(self):
        moves = [hear(QUEUED), hear(RUNNING)] * HISTORY_LIMIT
        task = after(*moves)
        assert task.seq == 2 * HISTORY_LIMIT
        assert [update.seq for update in task.history] == list(
            range(HISTORY_LIMIT + 1, 2 * HISTORY_LIMIT + 1)
        )

    def test_what_came_before_the_oldest_update_that_is_kept_is_not_known(self):
        task = after(*[hear(QUEUED), hear(RUNNING)] * HISTORY_LIMIT)
        assert task.previous(task.history[0]) is State.UNKNOWN
        assert task.previous(task.history[1]) is QUEUED


class TestOwing:
    def test_everybody_who_follows_is_owed_a_move(self):
        task = after(join("r1"), join("r2"), hear(QUEUED), tell("r1"), hear(RUNNING, 1))
        assert task.owed == {"r1", "r2"}

    def test_nobody_is_owed_a_repeat(self):
        task = after(join("r1"), hear(QUEUED), tell("r1"), hear(QUEUED, 1))
        assert task.owed == frozenset()

    def test_who_joins_before_the_first_update_is_owed_nothing_yet(self):
        task = after(join("r1", 1))
        assert task.owed == frozenset()
        assert task.joined == {}
        assert after(hear(QUEUED, 2), task=task).owed == {"r1"}

    def test_who_joins_late_is_owed_what_there_was(self):
        """So a callback may come before the registration."""
        task = after(hear(QUEUED, 1), hear(RUNNING, 2), join("r1", 3))
        assert task.owed == {"r1"}
        assert task.joined == {"r1": at(3)}
        assert [update.state for update in task.updates_for("r1")] == [QUEUED, RUNNING]

    def test_who_joins_late_costs_the_others_nothing(self):
        task = after(join("r1"), hear(QUEUED, 1), tell("r1"), join("r2", 2))
        assert task.owed == {"r2"}

    def test_who_pulls_is_never_owed_anything(self):
        early = after(join("q1", quiet=True), hear(QUEUED))
        late = after(join("q1", quiet=True), task=after(hear(QUEUED)))
        assert early.owed == late.owed == frozenset()
        assert early.runs == late.runs == ("q1",)
        assert "q1" in late.joined

    def test_joining_twice_is_joining_once(self):
        once = after(hear(QUEUED), join("r1", 1), tell("r1"))
        assert after(join("r1", 2), task=once) is once
        assert after(join("r1", 2, quiet=True), task=once) is once

    @given(events=EVENTS, run_id=RUN_IDS)
    def test_what_a_run_is_still_to_be_told_is_the_end_of_the_history_without_a_gap(
        self, events, run_id
    ):
        task = after(*events, join(run_id, 60))
        waiting = task.updates_for(run_id)
        assert waiting == task.history[len(task.history) - len(waiting) :]
        assert bool(waiting) == (run_id in task.owed)

    @given(events=EVENTS, joining=st.integers(0, 25), telling=st.sets(st.integers(0, 25)))
    def test_a_run_that_joins_and_is_told_whenever_learns_every_update_once_and_in_order(
        self, events, joining, telling
    ):
        task, told = TASK, []
        for moment, event in enumerate(events):
            if moment == joining:
                task = after(join("me"), task=task)
            task = event(task)
            if moment in telling:
                told += task.updates_for("me") if "me" in task.owed else ()
                task = after(tell("me"), task=task)
        assert [*told, *after(join("me"), task=task).updates_for("me")] == list(task.history)
