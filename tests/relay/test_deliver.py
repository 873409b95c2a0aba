import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from callback_service.domain.delivery import Answer, Verdict
from callback_service.domain.errors import Unavailable
from callback_service.domain.retry import DEFAULT_SCHEDULE, RetryPolicy
from callback_service.domain.run import LEASE, Lease, Rewind, RunStatus
from callback_service.domain.sink import Format, HttpSink, NoSink
from callback_service.domain.states import State
from callback_service.relay.deliver import BATCH_TASKS, SINGLE_TASKS
from tests.fakes.fuse import Crashed, Fuse
from tests.fakes.sender import Sent
from tests.relay.small_service import OWNER, SINK, SmallService, key, once

QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
SINGLE = replace(SINK, format=Format.TES)
OTHER_SINK = HttpSink("https://wes.example.org/elsewhere")
TOLD, DOWN, BUSY = Answer(204), Answer(503), Answer(429, retry_after=timedelta(minutes=1))
UNREACHABLE = Answer(error="connection refused")
REFUSED, GONE, TOO_LARGE = Answer(404), Answer(410), Answer(413)
MILLISECOND = 0.001


def owed(service: SmallService, *task_ids: str, **wanted: object) -> str:
    """A run that is owed the first update of each of these tasks."""
    run_id, keys = service.register(**wanted)
    for task_id in task_ids:
        service.call_back(keys, task_id, QUEUED)
        service.clock.advance(1)
    service.doorbell.answer()
    return run_id


def move(service: SmallService, task_id: str, state: State) -> None:
    """The server's own answer: it needs no token."""
    service.read_truth(task_id, state)


def once_meanwhile(service: SmallService, work: Callable[[], None]) -> None:
    """While the next delivery is on its way, this happens."""

    def meanwhile(sent: Sent) -> None:
        service.sender.meanwhile = lambda sent: None
        work()

    service.sender.meanwhile = meanwhile


class TestTelling:
    def test_a_run_is_told_what_it_is_owed_and_then_nothing_is_owed(self, service):
        run_id = owed(service, "a", "b")
        service.deliver(run_id)
        assert service.posts(run_id) == [[("a", QUEUED), ("b", QUEUED)]]
        assert not service.is_owed(run_id)
        assert service.task("a").delivered == {run_id: 1}

    def test_who_is_owed_nothing_is_not_bothered(self, service):
        run_id = owed(service, "a")
        service.deliver(run_id)
        generation = service.run(run_id).lease.generation
        service.deliver(run_id, "nobody")
        assert len(service.sender.sent) == 1
        assert service.run(run_id).lease.generation == generation

    def test_updates_of_a_task_are_told_in_their_order_with_what_was_before_each(self, service):
        run_id, keys = service.register()
        service.call_back(keys, "a", QUEUED, RUNNING, QUEUED, RUNNING, COMPLETE)
        service.deliver(run_id)
        items = service.sender.items_of(run_id)
        assert [item.update.seq for item in items] == [1, 2, 3, 4, 5]
        assert [item.previous for item in items] == [
            State.UNKNOWN,
            *(item.update.state for item in items[:-1]),
        ]

    def test_tasks_are_told_of_longest_unchanged_first(self, service):
        run_id = owed(service, "c", "a", "b")
        service.clock.advance(1)
        move(service, "c", RUNNING)
        service.deliver(run_id)
        assert service.told(run_id) == [
            ("a", QUEUED),
            ("b", QUEUED),
            ("c", QUEUED),
            ("c", RUNNING),
        ]

    def test_only_what_is_new_is_told_the_next_time(self, service):
        run_id = owed(service, "a")
        service.deliver(run_id)
        move(service, "a", RUNNING)
        service.deliver(run_id)
        assert service.posts(run_id) == [[("a", QUEUED)], [("a", RUNNING)]]

    def test_every_run_is_told_through_its_own_sink(self, service):
        one = owed(service, "a")
        other = owed(service, "a", sink=OTHER_SINK)
        service.deliver(one, other)
        assert [sent.sink for sent in service.sender.sent] == [SINK, OTHER_SINK]

    def test_a_large_debt_goes_out_in_batches_under_one_lease(self, service):
        names = [f"task-{number:04}" for number in range(2 * BATCH_TASKS + 1)]
        run_id = owed(service, *names)
        service.deliver(run_id)
        sizes = [len(post) for post in service.posts(run_id)]
        assert sizes == [BATCH_TASKS, BATCH_TASKS, 1]
        assert service.told(run_id) == [(name, QUEUED) for name in names]
        assert service.run(run_id).lease.generation == 1

    @pytest.mark.parametrize("format_", [Format.TES, Format.CLOUDEVENTS])
    def test_other_formats_take_a_post_for_each_update(self, service, format_):
        run_id, keys = service.register(sink=replace(SINK, format=format_))
        names = [f"task-{number:04}" for number in range(SINGLE_TASKS + 1)]
        for name in names:
            service.call_back(keys, name, QUEUED, RUNNING)
            service.clock.advance(1)
        service.deliver(run_id)
        assert service.posts(run_id) == [
            [(name, state)] for name in names for state in (QUEUED, RUNNING)
        ]
        assert len({sent.webhook_id for sent in service.sender.sent}) == 2 * len(names)
        assert not service.is_owed(run_id)

    def test_every_attempt_is_written_down_and_logged_without_secrets(self, service, caplog):
        caplog.set_level(logging.INFO)
        run_id = owed(service, "a", "b")
        service.sender.script(run_id, UNREACHABLE)
        service.deliver(run_id)
        service.clock.advance(5)
        service.deliver(run_id)
        told, failed = service.delivery_log.of_run(run_id, None, 10)
        assert (failed.number, failed.updates, failed.verdict) == (1, 2, Verdict.RETRY)
        assert (told.number, told.updates, told.verdict) == (2, 2, Verdict.TOLD)
        assert failed.answer is UNREACHABLE
        lines = [line for line in caplog.records if line.message == "delivery.attempted"]
        assert [line.fields["error"] for line in lines] == ["connection refused", None]
        assert all(line.levelno == logging.INFO for line in lines)
        assert not any("whsec_" in str(line.__dict__) for line in caplog.records)


class TestRetrying:
    def test_attempts_come_as_scheduled_and_not_a_millisecond_before(self, service):
        run_id = owed(service, "a")
        service.sender.script(run_id, *[DOWN] * 9)
        service.deliver(run_id)
        for attempts, delay in enumerate(DEFAULT_SCHEDULE[1:], 1):
            if service.run(run_id).expires_at < service.clock.now() + timedelta(seconds=delay):
                service.registrar.change(OWNER, run_id, {}, timedelta(days=7))
            service.clock.advance(delay - MILLISECOND)
            service.deliver(run_id)
            assert len(service.sender.sent) == attempts
            service.clock.advance(MILLISECOND)
            service.deliver(run_id)
            assert len(service.sender.sent) == attempts + 1
        assert len({sent.webhook_id for sent in service.sender.sent}) == 1
        assert not service.is_owed(run_id)
        assert service.buried(run_id) == []

    @pytest.mark.parametrize(
        "answer", [UNREACHABLE, Answer(408), Answer(425), Answer(429), Answer(500), Answer(599)]
    )
    def test_what_may_pass_is_tried_again(self, service, answer):
        run_id = owed(service, "a")
        service.sender.script(run_id, answer)
        service.deliver(run_id)
        run = service.run(run_id)
        assert run.next_attempt_at == service.clock.now() + timedelta(seconds=5)
        assert run.last_error == answer.describe()
        assert service.is_owed(run_id)

    def test_a_receiver_that_asks_for_patience_is_given_it(self, service):
        run_id = owed(service, "a")
        service.sender.script(run_id, BUSY)
        service.deliver(run_id)
        assert service.run(run_id).next_attempt_at == service.clock.now() + BUSY.retry_after

    def test_a_run_has_its_own_schedule(self, service):
        run_id = owed(service, "a", retry=RetryPolicy((0, 7)))
        service.sender.script(run_id, DOWN)
        service.deliver(run_id)
        assert service.run(run_id).next_attempt_at == service.clock.now() + timedelta(seconds=7)

    def test_what_failed_is_sent_again_as_it_was_and_then_what_came_since(self, service):
        run_id = owed(service, "a", "b")
        service.sender.script(run_id, DOWN)
        service.deliver(run_id)
        move(service, "b", RUNNING)
        owed_again = [("a", QUEUED), ("b", QUEUED)]
        service.clock.advance(5)
        service.deliver(run_id)
        assert service.posts(run_id) == [owed_again, owed_again, [("b", RUNNING)]]
        first, again, after = service.sender.sent
        assert first.webhook_id == again.webhook_id != after.webhook_id
        assert not service.is_owed(run_id)

    def test_of_single_posts_those_that_were_taken_are_not_repeated(self, service):
        run_id = owed(service, "a", "b", "c", sink=SINGLE)
        service.sender.script(run_id, TOLD, DOWN)
        service.deliver(run_id)
        assert service.task("a").owed == frozenset()
        service.clock.advance(5)
        service.deliver(run_id)
        posts = [post[0][0] for post in service.posts(run_id)]
        assert posts == ["a", "b", "b", "c"]

    def test_a_success_gives_all_attempts_back(self, service):
        run_id = owed(service, "a")
        service.sender.script(run_id, DOWN, TOLD, DOWN)
        service.deliver(run_id)
        service.clock.advance(5)
        service.deliver(run_id)
        move(service, "a", RUNNING)
        service.deliver(run_id)
        assert service.run(run_id).failures == 1
        assert service.run(run_id).next_attempt_at == service.clock.now() + timedelta(seconds=5)


class TestGivingUp:
    def test_updates_whose_attempts_are_spent_are_buried_and_what_came_since_has_its_turn(
        self, service
    ):
        run_id = owed(service, "a", retry=RetryPolicy((0, 5, 60)))
        service.sender.script(run_id, DOWN, DOWN, DOWN)
        service.deliver(run_id)
        move(service, "a", RUNNING)
        for delay in (5, 60):
            service.clock.advance(delay)
            service.deliver(run_id)
        assert service.buried(run_id) == [("a", QUEUED)]
        assert service.posts(run_id) == [[("a", QUEUED)]] * 3 + [[("a", RUNNING)]]
        assert not service.is_owed(run_id)

    @pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
    def test_a_refusal_buries_at_once_and_the_rest_goes_on(self, service, status):
        run_id = owed(service, "a", "b", sink=SINGLE)
        service.sender.script(run_id, Answer(status))
        service.deliver(run_id)
        assert service.buried(run_id) == [("a", QUEUED)]
        assert service.told(run_id) == [("a", QUEUED), ("b", QUEUED)]
        assert service.delivery_log.letters[0].reason == f"answered {status}"
        assert not service.is_owed(run_id)

    def test_gone_ends_the_telling_for_good_and_buries_nothing(self, service):
        run_id = owed(service, "a", "b", sink=SINGLE)
        service.sender.script(run_id, GONE)
        service.deliver(run_id)
        assert service.run(run_id).status is RunStatus.GONE
        service.clock.advance(100_000)
        service.deliver(run_id)
        assert len(service.sender.sent) == 1
        assert service.is_owed(run_id)
        service.registrar.resume(OWNER, run_id)
        service.deliver()
        assert service.told(run_id) == [("a", QUEUED), ("a", QUEUED), ("b", QUEUED)]


class TestHalving:
    """One update of a refused batch may be to blame: the others do not share its fate."""

    def refusing(self, service: SmallService, run_id: str, *bad: str, answer: Answer = TOO_LARGE):
        """A receiver that takes no batch with one of these tasks in it."""

        def judged(sent: Sent) -> None:
            is_bad = any(item.key.task_id in bad for item in sent.items)
            service.sender.script(run_id, answer if is_bad else TOLD)

        service.sender.meanwhile = judged

    @pytest.mark.parametrize("answer", [Answer(400), TOO_LARGE, Answer(422)])
    @pytest.mark.parametrize("bad", range(7))
    def test_all_but_the_one_to_blame_are_told(self, service, answer, bad):
        names = [f"task-{number}" for number in range(7)]
        run_id = owed(service, *names)
        self.refusing(service, run_id, names[bad], answer=answer)
        service.deliver(run_id)
        assert service.buried(run_id) == [(names[bad], QUEUED)]
        told = [
            (item.key.task_id, item.update.state)
            for sent in service.sender.sent
            if all(item.key.task_id != names[bad] for item in sent.items)
            for item in sent.items
        ]
        assert told == [(name, QUEUED) for name in names if name != names[bad]]
        assert not service.is_owed(run_id)

    def test_where_all_are_refused_all_are_buried(self, service):
        run_id = owed(service, "a", "b", "c")
        self.refusing(service, run_id, "a", "b", "c")
        service.deliver(run_id)
        assert [name for name, _ in service.buried(run_id)] == ["a", "b", "c"]
        assert not service.is_owed(run_id)

    def test_a_receiver_that_fails_in_between_is_sent_the_rest_later(self, service):
        run_id = owed(service, "a", "b", "c", "d")
        service.sender.script(run_id, TOO_LARGE, TOLD, DOWN)
        service.deliver(run_id)
        assert service.posts(run_id)[1:] == [
            [("a", QUEUED), ("b", QUEUED)],
            [("c", QUEUED), ("d", QUEUED)],
        ]
        assert service.task("a").owed == frozenset()
        service.clock.advance(5)
        service.deliver(run_id)
        assert service.posts(run_id)[3:] == [[("c", QUEUED), ("d", QUEUED)]]
        assert service.buried(run_id) == []

    def test_halves_of_one_task_stay_in_order(self, service):
        run_id, keys = service.register()
        service.call_back(keys, "a", QUEUED, RUNNING, QUEUED, COMPLETE)
        service.sender.script(run_id, TOO_LARGE, DOWN)
        service.deliver(run_id)
        service.clock.advance(5)
        service.deliver(run_id)
        assert [item.update.seq for item in service.sender.items_of(run_id)] == [
            *(1, 2, 3, 4),
            *(1, 2),
            *(1, 2, 3, 4),
        ]

    def test_halving_counts_as_no_failure_of_the_run(self, service):
        run_id = owed(service, "a", "b")
        self.refusing(service, run_id, "b")
        service.deliver(run_id)
        assert service.run(run_id).failures == 0
        assert service.run(run_id).is_active


class TestLease:
    def test_two_workers_never_tell_a_run_at_once(self, service):
        run_id = owed(service, "a")
        once_meanwhile(service, lambda: service.deliver(run_id, holder="another"))
        service.deliver(run_id)
        assert len(service.sender.sent) == 1

    def test_what_comes_while_the_lease_is_held_is_told_by_whoever_holds_it(self, service):
        """Its doorbell was answered by a worker that was turned away."""
        run_id = owed(service, "a")

        def come() -> None:
            move(service, "a", RUNNING)
            service.deliver(holder="another")
            assert len(service.sender.sent) == 1

        once_meanwhile(service, come)
        service.deliver(run_id)
        assert service.posts(run_id) == [[("a", QUEUED)], [("a", RUNNING)]]
        assert not service.is_owed(run_id)

    @pytest.mark.parametrize("after_effect", [False, True])
    def test_what_comes_at_any_moment_is_told_without_the_sweeper(self, after_effect):
        """An update may come, and its doorbell be answered, between any two steps of a worker."""
        for moment in range(len(self.steps(SmallService()))):
            service = SmallService()
            run_id = owed(service, "a")

            def come(service: SmallService = service, run_id: str = run_id) -> None:
                move(service, "a", RUNNING)
                service.deliver(run_id, holder="another")

            fuse = Fuse(moment, after_effect, meanwhile=come)
            service.deliver(run_id, fuse=fuse)
            assert once(service.told(run_id)) == [("a", QUEUED), ("a", RUNNING)], fuse.calls
            assert not service.is_owed(run_id), fuse.calls

    def steps(self, service: SmallService) -> list[str]:
        fuse = Fuse()
        service.deliver(owed(service, "a"), fuse=fuse)
        return fuse.calls

    def test_a_dead_workers_run_is_taken_over_when_its_lease_is_over(self, service):
        run_id = owed(service, "a")
        with pytest.raises(Crashed):
            service.deliver(run_id, fuse=Fuse(at="FakeSender.send", after_effect=True))
        service.clock.advance(LEASE.total_seconds() - MILLISECOND)
        service.deliver(run_id, holder="another")
        assert len(service.sender.sent) == 1
        service.clock.advance(MILLISECOND)
        service.deliver(run_id, holder="another")
        first, again = service.sender.sent
        assert (first.webhook_id, first.items) == (again.webhook_id, again.items)

    def test_a_late_close_is_refused(self, service, caplog):
        """The worker was thought dead: what its successor wrote stands."""
        run_id = owed(service, "a")
        # The successor is answered first.
        service.sender.script(run_id, TOLD, DOWN)

        def take_over() -> None:
            service.clock.advance(LEASE.total_seconds())
            service.deliver(run_id, holder="another")

        once_meanwhile(service, take_over)
        service.deliver(run_id)
        run = service.run(run_id)
        assert (run.failures, run.next_attempt_at, run.last_error) == (0, None, None)
        assert run.lease.generation == 2
        assert "lease.lost" in caplog.messages
        assert not service.is_owed(run_id)

    def test_a_lease_that_is_renewed_stays(self, service):
        run_id = owed(service, "a")

        def renew() -> None:
            service.clock.advance(LEASE.total_seconds() - MILLISECOND)
            service.runs.renew("worker", [run_id], service.clock.now() + LEASE)
            service.clock.advance(LEASE.total_seconds() - MILLISECOND)
            service.deliver(run_id, holder="another")

        once_meanwhile(service, renew)
        service.deliver(run_id)
        assert len(service.sender.sent) == 1
        assert not service.is_owed(run_id)

    @pytest.mark.parametrize("answer", [TOLD, DOWN, OSError("the worker's own fault")])
    def test_somebody_is_told_which_leases_to_renew_for_as_long_as_they_are_held(
        self, service, answer
    ):
        run_id = owed(service, "a")
        deliverer, held = service.deliverer(), []
        service.sender.meanwhile = lambda sent: held.append(set(deliverer.held))
        service.sender.script(run_id, answer)
        with suppress(OSError):
            asyncio.run(deliverer.deliver(run_id))
        assert held == [{run_id}]
        assert deliverer.held == set()


class TestStopping:
    """A worker that is to stop ends what is on its way, and leaves the rest to others."""

    @pytest.mark.parametrize("sink", [SINK, SINGLE])
    def test_nothing_more_is_begun_however_much_comes(self, service, sink):
        run_id = owed(service, "a", "b", sink=sink)
        deliverer = service.deliverer()

        def stop(_sent: Sent) -> None:
            deliverer.stop()
            move(service, "a", RUNNING)
            service.runs.knock(run_id, service.clock.now())

        service.sender.meanwhile = stop
        asyncio.run(deliverer.deliver(run_id))
        assert len(service.posts(run_id)) == 1
        assert service.is_owed(run_id)
        assert not service.run(run_id).lease.is_held(service.clock.now())
        service.deliver(run_id, holder="another")
        assert not service.is_owed(run_id)
        states = [state for task_id, state in service.told(run_id) if task_id == "a"]
        assert states == [QUEUED, RUNNING]

    def test_a_doorbell_that_comes_later_begins_nothing(self, service):
        run_id = owed(service, "a")
        deliverer = service.deliverer()
        deliverer.stop()
        asyncio.run(deliverer.deliver(run_id))
        assert service.posts(run_id) == []


class TestCrash:
    """The worker is killed at any call, before or after it took effect; another takes over."""

    SCENARIOS: ClassVar = {
        "one batch": (SINK, []),
        "a post each": (SINGLE, []),
        "after a failure": (SINK, [DOWN]),
        "a post each, after a failure": (SINGLE, [TOLD, DOWN]),
        "with a refusal": (SINGLE, [TOLD, REFUSED]),
        "with halves": (SINK, [TOO_LARGE, TOLD, TOO_LARGE]),
    }

    def a_debt(self, sink: HttpSink, answers: list[Answer]) -> tuple[SmallService, str]:
        """Five updates of three tasks, one of them owed from an attempt that failed."""
        service = SmallService()
        run_id = owed(service, "a", "b", sink=sink)
        if answers and answers[-1] is DOWN:
            service.sender.script(run_id, *answers)
            service.deliver(run_id)
            service.clock.advance(5)
        else:
            service.sender.script(run_id, *answers)
        for task_id in ("b", "a"):
            service.clock.advance(1)
            move(service, task_id, RUNNING)
        service.join(run_id, "c")
        move(service, "c", QUEUED)
        return service, run_id

    @pytest.mark.parametrize("after_effect", [False, True])
    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_nothing_owed_is_forgotten_nor_told_out_of_order(self, scenario, after_effect):
        service, run_id = self.a_debt(*self.SCENARIOS[scenario])
        unharmed = Fuse()
        service.deliver(run_id, fuse=unharmed)
        for moment in range(len(unharmed.calls)):
            where = f"{unharmed.calls[moment]}, call {moment}"
            service, run_id = self.a_debt(*self.SCENARIOS[scenario])
            with pytest.raises(Crashed):
                service.deliver(run_id, fuse=Fuse(at=moment, after_effect=after_effect))
            service.clock.advance(LEASE.total_seconds())
            service.sweeper.sweep()
            service.deliver(holder="another")
            assert not service.is_owed(run_id), where
            for task_id, states in {"a": 2, "b": 2, "c": 1}.items():
                told = [
                    item.update.seq
                    for item in service.sender.items_of(run_id)
                    if item.key.task_id == task_id
                ]
                assert list(dict.fromkeys(told)) == list(range(1, states + 1)), where

    @pytest.mark.parametrize("sink", [SINK, SINGLE])
    def test_what_may_have_arrived_is_sent_again_as_it_was(self, sink):
        """So that a receiver knows the repeat by its id."""
        service, run_id = self.a_debt(sink, [])
        unharmed = Fuse()
        service.deliver(run_id, fuse=unharmed)
        for moment in range(unharmed.calls.index("FakeSender.send"), len(unharmed.calls)):
            service, run_id = self.a_debt(sink, [])
            with pytest.raises(Crashed):
                service.deliver(run_id, fuse=Fuse(at=moment, after_effect=True))
            # Something newer came meanwhile.
            move(service, "a", COMPLETE)
            service.clock.advance(LEASE.total_seconds())
            service.deliver(run_id, holder="another")
            messages = defaultdict(set)
            for sent in service.sender.sent:
                for item in sent.items:
                    messages[item].add((sent.webhook_id, sent.items))
            assert all(len(known) == 1 for known in messages.values()), unharmed.calls[moment]

    def test_a_batch_of_which_some_was_marked_is_sent_again_as_it_was(self):
        """The marks are several writes: a part of the batch would come under another id."""
        service, run_id = self.a_debt(SINK, [])
        with pytest.raises(Crashed):
            service.deliver(run_id, fuse=Fuse(at="FakeTasks.mark_told"))
        service.tasks.mark_told(run_id, {key("a"): 2})
        service.clock.advance(LEASE.total_seconds())
        service.deliver(run_id, holder="another")
        first, second = service.sender.sent
        assert (first.webhook_id, first.items) == (second.webhook_id, second.items)
        assert not service.is_owed(run_id)

    @pytest.mark.parametrize("after_effect", [False, True])
    def test_what_is_refused_is_buried_although_the_worker_dies(self, after_effect):
        def a_debt() -> tuple[SmallService, str]:
            service, run_id = self.a_debt(SINGLE, [])

            def judged(sent: Sent) -> None:
                is_bad = sent.items[0].key.task_id == "b"
                service.sender.script(run_id, REFUSED if is_bad else TOLD)

            service.sender.meanwhile = judged
            return service, run_id

        service, run_id = a_debt()
        unharmed = Fuse()
        service.deliver(run_id, fuse=unharmed)
        for moment in range(len(unharmed.calls)):
            service, run_id = a_debt()
            with pytest.raises(Crashed):
                service.deliver(run_id, fuse=Fuse(at=moment, after_effect=after_effect))
            service.clock.advance(LEASE.total_seconds())
            service.deliver(run_id, holder="another")
            assert service.buried(run_id) == [("b", QUEUED), ("b", RUNNING)]
            assert not service.is_owed(run_id)

    def test_a_store_that_is_down_for_a_moment_postpones_and_loses_nothing(self):
        service, run_id = self.a_debt(SINK, [])
        unharmed = Fuse()
        service.deliver(run_id, fuse=unharmed)
        stores = [call for call in unharmed.calls if call != "FakeSender.send"]
        for moment, call in enumerate(stores):
            if call == "FakeTasks.mark_told":
                continue
            service, run_id = self.a_debt(SINK, [])
            down = Fuse(at=moment, error=Unavailable("down"))
            for store in ("tasks", "runs", "delivery_log"):
                setattr(service, store, down.protect(getattr(service, store)))
            with pytest.raises(Unavailable):
                service.deliver(run_id)
            service.clock.advance(LEASE.total_seconds())
            service.deliver(run_id)
            assert not service.is_owed(run_id)
            assert len(once(service.told(run_id))) == 5

    @pytest.mark.parametrize("after_effect", [False, True])
    def test_a_mark_that_was_not_confirmed_is_made_again_and_nothing_is_told_twice(
        self, after_effect
    ):
        service, run_id = self.a_debt(SINK, [])
        down = Fuse(at="FakeTasks.mark_told", after_effect=after_effect, error=Unavailable("busy"))
        service.tasks = down.protect(service.tasks)
        service.deliver(run_id)
        assert down.is_burnt
        assert not service.is_owed(run_id)
        assert len(service.told(run_id)) == 5

    def test_a_mark_is_not_made_again_by_who_has_lost_the_run(self):
        """Another worker may have rewound it since."""
        service, run_id = self.a_debt(SINK, [])

        def lose() -> None:
            service.clock.advance(LEASE.total_seconds())
            run, now = service.run(run_id), service.clock.now()
            lease = Lease(run.lease.generation + 1, "another", now + LEASE)
            assert service.runs.claim(run, lease, run.batch, now)
            raise Unavailable("busy")

        slow = Fuse(at="FakeTasks.mark_told", meanwhile=lose)
        service.tasks = slow.protect(service.tasks)
        with pytest.raises(Unavailable):
            service.deliver(run_id)
        assert slow.calls.count("FakeTasks.mark_told") == 1
        assert service.is_owed(run_id)


class TestOwner:
    """What a run's owner asks for while it is told."""

    def two_batches(self, service: SmallService) -> str:
        return owed(service, *(f"task-{number:04}" for number in range(BATCH_TASKS + 1)))

    def test_a_run_that_is_paused_in_mid_delivery_is_told_no_more_than_what_is_on_its_way(
        self, service
    ):
        run_id = self.two_batches(service)
        once_meanwhile(service, lambda: service.registrar.pause(OWNER, run_id))
        service.deliver(run_id)
        service.deliver()
        assert len(service.sender.sent) == 1
        assert service.run(run_id).status is RunStatus.PAUSED
        service.registrar.resume(OWNER, run_id)
        service.deliver()
        assert [len(post) for post in service.posts(run_id)] == [BATCH_TASKS, 1]

    def test_a_paused_run_waits_however_much_comes(self, service):
        run_id = owed(service, "a")
        service.registrar.pause(OWNER, run_id)
        move(service, "a", RUNNING)
        service.sweeper.sweep()
        service.deliver(run_id)
        assert service.sender.sent == []
        service.registrar.resume(OWNER, run_id)
        service.deliver()
        assert service.told(run_id) == [("a", QUEUED), ("a", RUNNING)]

    def test_a_deleted_run_is_told_nothing_more(self, service):
        run_id = self.two_batches(service)
        once_meanwhile(service, lambda: service.registrar.delete(OWNER, run_id))
        service.deliver(run_id)
        move(service, "task-0000", RUNNING)
        service.sweeper.sweep()
        service.deliver(run_id, *service.doorbell.answer())
        assert len(service.sender.sent) == 1
        assert service.tasks.creditors() == set()
        assert service.task("task-0000").delivered == {}

    def test_an_expired_run_is_told_nothing_more(self, service):
        run_id = owed(service, "a", lifetime=timedelta(seconds=10))
        service.clock.advance(9)
        service.deliver(run_id)
        assert service.sender.sent == []

    def test_a_new_address_is_used_from_the_next_batch_on(self, service):
        run_id = self.two_batches(service)

        def change() -> None:
            service.registrar.change(OWNER, run_id, {"sink": OTHER_SINK})
            service.deliver(holder="another")

        once_meanwhile(service, change)
        service.deliver(run_id)
        assert [sent.sink for sent in service.sender.sent] == [SINK, OTHER_SINK]

    @pytest.mark.parametrize("answer", [DOWN, GONE, UNREACHABLE])
    def test_what_the_old_address_answers_is_not_held_against_the_new_one(self, service, answer):
        run_id = owed(service, "a")
        service.sender.script(run_id, answer)

        def change() -> None:
            service.registrar.change(OWNER, run_id, {"sink": OTHER_SINK})
            service.deliver(holder="another")

        once_meanwhile(service, change)
        service.deliver(run_id)
        assert [sent.sink for sent in service.sender.sent] == [SINK, OTHER_SINK]
        assert service.run(run_id).is_active
        assert not service.is_owed(run_id)

    def test_gone_does_not_undo_what_the_owner_said_meanwhile(self, service):
        run_id = owed(service, "a")
        service.sender.script(run_id, GONE)
        once_meanwhile(service, lambda: service.registrar.pause(OWNER, run_id))
        service.deliver(run_id)
        assert service.run(run_id).status is RunStatus.PAUSED

    def test_who_turns_to_pulling_is_pushed_nothing_and_owed_nothing(self, service):
        run_id = owed(service, "a")
        service.sender.script(run_id, DOWN)
        service.deliver(run_id)
        service.registrar.change(OWNER, run_id, {"sink": NoSink()})
        service.deliver()
        move(service, "a", RUNNING)
        service.deliver()
        assert len(service.sender.sent) == 1
        assert not service.is_owed(run_id)

    def test_who_turns_back_is_told_what_it_was_not_told(self, service):
        run_id = owed(service, "a")
        service.deliver(run_id)
        service.registrar.change(OWNER, run_id, {"sink": NoSink()})
        move(service, "a", RUNNING)
        service.registrar.change(OWNER, run_id, {"sink": OTHER_SINK})
        service.deliver()
        assert service.posts(run_id) == [[("a", QUEUED)], [("a", RUNNING)]]

    def test_new_secrets_sign_from_the_next_batch_on(self, service):
        run_id = self.two_batches(service)
        signed = []

        class NotingSender(type(service.sender)):
            async def send(self, run, *rest):
                signed.append(run.secrets[0].value)
                return await super().send(run, *rest)

        service.sender = NotingSender()
        keys = []
        once_meanwhile(
            service,
            lambda: keys.append(service.registrar.rotate(OWNER, run_id, timedelta())),
        )
        service.deliver(run_id)
        service.sweeper.sweep()
        service.deliver()
        assert signed[-1] == keys[0].secret


class TestRewind:
    def told_run(self, service: SmallService) -> str:
        """A run that was told three updates of `a`, ten seconds apart, and two of `b`."""
        run_id, keys = service.register()
        for state in (QUEUED, RUNNING):
            service.call_back(keys, "a", state)
            service.call_back(keys, "b", state)
            service.clock.advance(10)
        service.call_back(keys, "a", COMPLETE)
        service.deliver()
        service.sender.sent.clear()
        return run_id

    def redeliver(self, service: SmallService, run_id: str, rewind: Rewind) -> None:
        service.registrar.redeliver(OWNER, run_id, rewind)

    def test_everything_is_told_again(self, service):
        run_id = self.told_run(service)
        self.redeliver(service, run_id, Rewind())
        service.deliver()
        assert sorted(service.told(run_id)) == sorted(
            [("a", QUEUED), ("a", RUNNING), ("a", COMPLETE), ("b", QUEUED), ("b", RUNNING)]
        )
        assert not service.is_owed(run_id)
        assert service.run(run_id).rewind is None

    def test_what_came_since_is_told_again(self, service):
        run_id = self.told_run(service)
        self.redeliver(service, run_id, Rewind(service.clock.now() - timedelta(seconds=10)))
        service.deliver()
        assert sorted(service.told(run_id)) == [("a", COMPLETE), ("a", RUNNING), ("b", RUNNING)]

    def test_the_named_tasks_are_told_again(self, service):
        run_id = self.told_run(service)
        self.redeliver(service, run_id, Rewind(None, ("b",)))
        service.deliver()
        assert service.told(run_id) == [("b", QUEUED), ("b", RUNNING)]

    def test_what_is_owed_besides_is_told_too_and_in_order(self, service):
        run_id = self.told_run(service)
        move(service, "a", State.SYSTEM_ERROR)
        self.redeliver(service, run_id, Rewind())
        service.deliver()
        items = service.sender.items_of(run_id)
        assert [item.update.seq for item in items if item.key.task_id == "a"] == [1, 2, 3, 4]

    def test_a_batch_that_had_failed_does_not_pass_for_what_is_told_again(self, service):
        """It held the newest updates only: what was told before them is asked for too."""
        run_id = self.told_run(service)
        move(service, "a", State.SYSTEM_ERROR)
        service.sender.script(run_id, DOWN)
        service.deliver()
        service.sender.sent.clear()
        self.redeliver(service, run_id, Rewind())
        service.deliver()
        items = service.sender.items_of(run_id)
        assert [item.update.seq for item in items if item.key.task_id == "a"] == [1, 2, 3, 4]
        assert [item.update.seq for item in items if item.key.task_id == "b"] == [1, 2]

    def test_who_asks_in_mid_delivery_is_told_again_after_it(self, service):
        run_id = self.told_run(service)
        move(service, "a", State.SYSTEM_ERROR)

        def ask() -> None:
            self.redeliver(service, run_id, Rewind(None, ("a",)))
            service.deliver(holder="another")

        once_meanwhile(service, ask)
        service.deliver(run_id)
        seqs = [item.update.seq for item in service.sender.items_of(run_id)]
        assert seqs == [4, 1, 2, 3, 4]

    def test_who_asks_again_while_it_is_carried_out_is_heard(self, service):
        run_id = self.told_run(service)
        again = Fuse(
            "FakeTasks.rewind",
            meanwhile=lambda: self.redeliver(service, run_id, Rewind(None, ("b",))),
        )
        self.redeliver(service, run_id, Rewind(None, ("a",)))
        service.deliver(run_id, fuse=again)
        service.deliver()
        assert {name for name, _ in service.told(run_id)} == {"a", "b"}
        assert service.run(run_id).rewind is None

    @pytest.mark.parametrize("after_effect", [False, True])
    def test_a_worker_that_dies_over_it_leaves_it_to_the_next(self, after_effect):
        def asked() -> tuple[SmallService, str]:
            service = SmallService()
            run_id = self.told_run(service)
            move(service, "a", State.SYSTEM_ERROR)
            service.sender.script(run_id, DOWN)
            service.deliver(run_id)
            service.sender.sent.clear()
            self.redeliver(service, run_id, Rewind())
            return service, run_id

        service, run_id = asked()
        unharmed = Fuse()
        service.deliver(run_id, fuse=unharmed)
        for moment in range(len(unharmed.calls)):
            service, run_id = asked()
            with pytest.raises(Crashed):
                service.deliver(run_id, fuse=Fuse(at=moment, after_effect=after_effect))
            service.clock.advance(LEASE.total_seconds())
            service.sweeper.sweep()
            service.deliver(holder="another")
            seqs = [
                item.update.seq
                for item in service.sender.items_of(run_id)
                if item.key.task_id == "a"
            ]
            assert list(dict.fromkeys(seqs)) == [1, 2, 3, 4], unharmed.calls[moment]
            assert not service.is_owed(run_id)
