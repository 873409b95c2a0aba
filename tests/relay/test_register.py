from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from callback_service.domain.errors import Conflict, InvalidInput, Unavailable, Unknown
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import Rewind, RunStatus
from callback_service.domain.server import Server
from callback_service.domain.sink import CwlWesSink, HttpSink, NoSink
from callback_service.domain.states import State
from callback_service.relay.quiet import let_owe
from callback_service.relay.register import DEFAULT_LIFETIME, VALID_KEYS, NamedTask, Registration
from tests.fakes.clock import START
from tests.fakes.fuse import Fuse
from tests.fakes.store import FakeTasks
from tests.relay.small_service import OWNER, SINK, SmallService, key

QUEUED, RUNNING = State.QUEUED, State.RUNNING
OTHER_SINK = HttpSink("https://wes.example.org/elsewhere")
PULL = NoSink()


class TestRegistering:
    def test_a_run_is_kept_as_it_was_wanted(self, service):
        wanted = Registration("a name", {"tag": "value"}, None, SINK, (), timedelta(hours=1))
        run, _ = service.registrar.register(OWNER, wanted)
        assert service.runs.find([run.id]) == {run.id: run}
        assert (run.owner, run.name, run.tags, run.sink) == (
            OWNER,
            "a name",
            {"tag": "value"},
            SINK,
        )
        assert run.expires_at == service.clock.now() + timedelta(hours=1)

    def test_what_is_not_said_has_a_default(self, service):
        run, _ = service.registrar.register(OWNER, Registration())
        assert (run.server, run.sink, run.retry) == ("default", PULL, RetryPolicy())
        assert run.expires_at == service.clock.now() + DEFAULT_LIFETIME

    def test_the_token_is_kept_as_a_hash_only(self, service):
        run_id, keys = service.register()
        kept = str(service.run(run_id))
        assert keys.token not in kept
        assert keys.token.partition(".")[2] not in kept
        assert keys.secret in kept

    def test_its_tasks_are_followed_before_anything_is_heard_of_them(self, service):
        run_id, _ = service.register("a", "b")
        assert [task.key.task_id for task in service.tasks.of_run(run_id, None, 10)] == ["a", "b"]
        assert not service.is_owed(run_id)
        service.read_truth("a", QUEUED)
        assert service.doorbell.rung == {run_id}

    def test_what_came_before_it_is_told_at_once(self, service):
        _, keys = service.register()
        service.call_back(keys, "a", QUEUED, RUNNING)
        run_id, _ = service.register("a")
        service.deliver()
        assert service.told(run_id) == [("a", QUEUED), ("a", RUNNING)]

    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            (Registration(sink=HttpSink("ftp://example.org")), "sink.url"),
            (Registration(sink=CwlWesSink("nowhere", "A1B2C3")), "sink.target"),
            (Registration(sink=HttpSink("http://127.0.0.1/hook")), "sink.url"),
            (Registration(sink=HttpSink(SINK.url, headers={"Host": "x"})), "sink.headers.Host"),
            (Registration(server="nowhere"), "server"),
            (Registration(tasks=[NamedTask("a"), NamedTask("b", "no")]), "tasks.1.server"),
        ],
    )
    def test_what_cannot_be_taken_is_named_and_nothing_is_kept(self, service, wanted, field):
        with pytest.raises(InvalidInput) as refusal:
            service.registrar.register(OWNER, wanted)
        assert refusal.value.field == field
        assert service.runs.ended(START + timedelta(days=1000), 10) == []

    def test_tasks_may_be_on_other_servers_than_the_runs_own(self, service):
        for name in ("tesk", "funnel"):
            service.servers.add(Server(name, f"https://{name}.example.org", START))
        tasks = [NamedTask("a"), NamedTask("b", "funnel"), NamedTask("c", "tesk")]
        run, _ = service.registrar.register(OWNER, Registration(server="tesk", tasks=tasks))
        followed = {task.key for task in service.tasks.of_run(run.id, None, 10)}
        assert followed == {
            key("a", server="tesk"),
            key("b", server="funnel"),
            key("c", server="tesk"),
        }

    def test_a_store_that_is_down_says_so(self, service):
        service.runs.is_down = True
        with pytest.raises(Unavailable):
            service.register()

    def test_one_whose_keys_were_never_shown_is_not_left_behind(self, service):
        """Else whoever asks again would be told everything twice, once with an unknown secret."""
        service.tasks.is_down = True
        with pytest.raises(Unavailable):
            service.register("a")
        service.tasks.is_down = False
        (left_behind,) = service.runs.ended(service.clock.now(), 10)
        service.expirer.expire()
        assert service.runs.missing([left_behind]) == {left_behind}


class TestFinding:
    @pytest.mark.parametrize("call", ["find", "pause", "resume", "delete", "rotate", "redeliver"])
    def test_another_owners_run_is_unknown_whatever_one_wants_of_it(self, service, call):
        run_id, _ = service.register(owner="another")
        before = service.run(run_id)
        more = {"rotate": [timedelta()], "redeliver": [Rewind()]}.get(call, [])
        for unknown in (run_id, "r0", ""):
            with pytest.raises(Unknown, match="no run"):
                getattr(service.registrar, call)(OWNER, unknown, *more)
        with pytest.raises(Unknown):
            service.registrar.add_tasks(OWNER, run_id, [NamedTask("a")])
        with pytest.raises(Unknown):
            service.registrar.change(OWNER, run_id, {"name": "mine"})
        assert service.run(run_id) == before

    def test_one_that_expired_or_was_deleted_is_unknown_before_it_is_gone(self, service):
        expired, _ = service.register(lifetime=timedelta(seconds=5))
        ending, _ = service.register()
        service.runs.change(ending, {"status": RunStatus.ENDING})
        service.clock.advance(5)
        for run_id in (expired, ending):
            with pytest.raises(Unknown):
                service.registrar.find(OWNER, run_id)


class TestChanging:
    def test_fields_are_set_and_the_others_stay(self, service):
        run_id, _ = service.register("a")
        before = service.run(run_id)
        run = service.registrar.change(OWNER, run_id, {"name": "new", "tags": {"a": "b"}})
        assert (run.name, run.tags, run.sink) == ("new", {"a": "b"}, before.sink)

    def test_a_new_lifetime_counts_from_now(self, service):
        run_id, _ = service.register()
        service.clock.advance(1000)
        run = service.registrar.change(OWNER, run_id, {}, timedelta(hours=1))
        assert run.expires_at == service.clock.now() + timedelta(hours=1)

    def test_a_sink_that_cannot_be_taken_changes_nothing(self, service):
        run_id, _ = service.register()
        with pytest.raises(InvalidInput):
            service.registrar.change(OWNER, run_id, {"sink": HttpSink("gopher://x"), "name": "n"})
        assert service.run(run_id).sink == SINK
        assert service.run(run_id).name == ""

    def test_a_new_address_is_tried_at_once(self, service):
        run_id, _ = service.register()
        later = service.clock.now() + timedelta(hours=5)
        service.runs.change(run_id, {"failures": 6, "next_attempt_at": later})
        run = service.registrar.change(OWNER, run_id, {"sink": OTHER_SINK})
        assert (run.failures, run.next_attempt_at) == (0, None)
        assert service.doorbell.rung == {run_id}

    @pytest.mark.parametrize("status", [RunStatus.PAUSED, RunStatus.GONE])
    def test_a_new_address_does_not_resume_a_run(self, service, status):
        run_id, _ = service.register()
        service.runs.change(run_id, {"status": status})
        assert service.registrar.change(OWNER, run_id, {"sink": OTHER_SINK}).status is status


class RacedTasks(FakeTasks):
    """Before the next write of what is owed to whom, and after it, somebody else is faster."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], object] | None = None

    def save(self, changes):
        self._let_in()
        return super().save(changes)

    def set_quiet(self, run_id, *, quiet):
        self._let_in()
        super().set_quiet(run_id, quiet=quiet)

    def _let_in(self) -> None:
        before, self.before = self.before, None
        if before:
            before()


class TestPullingAndPushing:
    """Who pulls is owed nothing; who gets a sink is owed what it was not told, come what may."""

    @pytest.fixture
    def service(self) -> SmallService:
        return SmallService(tasks=RacedTasks())

    def is_told(self, service: SmallService, run_id: str, task_id: str) -> bool:
        service.sweeper.sweep()
        service.deliver()
        return (task_id, service.task(task_id).state) in service.told(run_id)

    def test_who_turns_to_pushing_is_told_what_there_is_and_what_comes(self, service):
        run_id, keys = service.register("a", sink=PULL)
        service.call_back(keys, "a", QUEUED)
        assert not service.is_owed(run_id)
        service.registrar.change(OWNER, run_id, {"sink": SINK})
        assert self.is_told(service, run_id, "a")
        service.call_back(keys, "a", RUNNING)
        assert self.is_told(service, run_id, "a")

    def test_a_callback_that_was_under_way_meanwhile_is_told(self, service):
        run_id, keys = service.register(sink=PULL)
        service.tasks.before = lambda: service.registrar.change(OWNER, run_id, {"sink": SINK})
        service.call_back(keys, "a", State.COMPLETE)
        assert self.is_told(service, run_id, "a")

    def test_a_task_that_was_added_meanwhile_is_told_of(self, service):
        run_id, _ = service.register(sink=PULL)
        service.read_truth("a", QUEUED)
        service.tasks.before = lambda: service.registrar.change(OWNER, run_id, {"sink": SINK})
        service.join(run_id, "a")
        assert self.is_told(service, run_id, "a")

    def test_a_worker_that_read_the_sink_before_hushes_nobody(self, service):
        run_id, keys = service.register("a", sink=SINK)
        service.registrar.change(OWNER, run_id, {"sink": PULL})
        service.tasks.before = lambda: service.registrar.change(OWNER, run_id, {"sink": SINK})
        let_owe(service.runs, service.tasks, run_id)
        service.call_back(keys, "a", QUEUED)
        assert self.is_told(service, run_id, "a")

    def test_who_asks_again_after_a_failure_is_heard(self, service):
        """The sink was set, and the process died before the tasks knew."""
        run_id, keys = service.register("a", sink=PULL)
        service.tasks.before = _die
        with pytest.raises(Unavailable):
            service.registrar.change(OWNER, run_id, {"sink": SINK})
        service.registrar.change(OWNER, run_id, {"sink": SINK})
        service.call_back(keys, "a", QUEUED)
        assert self.is_told(service, run_id, "a")

    def test_a_run_that_went_meanwhile_is_no_error(self, service):
        run_id, keys = service.register(sink=PULL)
        service.tasks.before = lambda: service.registrar.delete(OWNER, run_id)
        service.call_back(keys, "a", QUEUED)
        let_owe(service.runs, service.tasks, run_id)


def _die() -> None:
    raise Unavailable("down")


class TestPausingAndResuming:
    def test_a_paused_run_is_not_due_and_a_resumed_one_is_with_all_its_attempts(self, service):
        run_id, _ = service.register()
        later = service.clock.now() + timedelta(hours=5)
        service.runs.change(run_id, {"failures": 6, "next_attempt_at": later})
        assert service.registrar.pause(OWNER, run_id).status is RunStatus.PAUSED
        assert service.runs.due([run_id], later) == set()
        run = service.registrar.resume(OWNER, run_id)
        assert (run.status, run.failures, run.next_attempt_at) == (RunStatus.ACTIVE, 0, None)
        assert service.doorbell.rung == {run_id}

    def test_a_run_whose_receiver_is_gone_cannot_be_paused_but_resumed(self, service):
        run_id, _ = service.register()
        service.runs.change(run_id, {"status": RunStatus.GONE})
        with pytest.raises(Conflict, match="resume"):
            service.registrar.pause(OWNER, run_id)
        assert service.registrar.resume(OWNER, run_id).is_active

    def test_pausing_twice_is_pausing(self, service):
        run_id, _ = service.register()
        service.registrar.pause(OWNER, run_id)
        assert service.registrar.pause(OWNER, run_id).status is RunStatus.PAUSED


class TestRedelivering:
    def test_it_is_asked_of_the_worker_and_due_now(self, service):
        run_id, _ = service.register()
        later = service.clock.now() + timedelta(hours=5)
        service.runs.change(run_id, {"failures": 6, "next_attempt_at": later})
        run = service.registrar.redeliver(OWNER, run_id, Rewind(START, ("a",)))
        assert run.rewind == Rewind(START, ("a",))
        assert (run.failures, run.next_attempt_at) == (0, None)
        assert service.doorbell.rung == {run_id}

    def test_who_asks_twice_before_it_is_carried_out_is_told_both(self, service):
        run_id, keys = service.register()
        for task_id in ("a", "b", "c"):
            service.call_back(keys, task_id, QUEUED)
        service.deliver()
        service.sender.sent.clear()
        for task_id in ("a", "b"):
            service.registrar.redeliver(OWNER, run_id, Rewind(None, (task_id,)))
        service.deliver()
        assert service.told(run_id) == [("a", QUEUED), ("b", QUEUED)]

    def test_who_pulls_is_told_to_pull(self, service):
        run_id, _ = service.register(sink=PULL)
        with pytest.raises(Conflict, match="read its updates"):
            service.registrar.redeliver(OWNER, run_id, Rewind())


class TestRotating:
    def test_the_new_keys_come_first_and_the_old_ones_end(self, service):
        run_id, old = service.register()
        new = service.registrar.rotate(OWNER, run_id, timedelta(minutes=5))
        secrets = service.run(run_id).secrets
        assert [one.value for one in secrets] == [new.secret, old.secret]
        assert [one.expires_at for one in secrets] == [
            None,
            service.clock.now() + timedelta(minutes=5),
        ]

    def test_without_an_overlap_only_the_new_ones_are_left(self, service):
        run_id, _ = service.register()
        new = service.registrar.rotate(OWNER, run_id, timedelta())
        assert [one.value for one in service.run(run_id).secrets] == [new.secret]
        assert len(service.run(run_id).tokens) == 1

    def test_another_rotation_lengthens_nothing(self, service):
        run_id, first = service.register()
        ends = service.clock.now() + timedelta(minutes=5)
        second = service.registrar.rotate(OWNER, run_id, timedelta(minutes=5))
        third = service.registrar.rotate(OWNER, run_id, timedelta(hours=5))
        held = {one.value: one.expires_at for one in service.run(run_id).secrets}
        assert held == {
            third.secret: None,
            second.secret: service.clock.now() + timedelta(hours=5),
            first.secret: ends,
        }

    def test_those_that_ended_are_forgotten(self, service):
        run_id, _ = service.register()
        service.registrar.rotate(OWNER, run_id, timedelta(minutes=5))
        service.clock.advance(300)
        service.registrar.rotate(OWNER, run_id, timedelta(minutes=5))
        assert len(service.run(run_id).secrets) == len(service.run(run_id).tokens) == 2

    def test_no_more_are_valid_than_are_quickly_compared(self, service):
        run_id, _ = service.register()
        for _ in range(VALID_KEYS - 1):
            service.registrar.rotate(OWNER, run_id, timedelta(minutes=5))
        with pytest.raises(Conflict, match="overlap of 0"):
            service.registrar.rotate(OWNER, run_id, timedelta(minutes=5))
        assert len(service.run(run_id).tokens) == VALID_KEYS
        service.registrar.rotate(OWNER, run_id, timedelta())
        assert len(service.run(run_id).tokens) == len(service.run(run_id).secrets) == 1

    def test_of_two_at_once_one_is_told_that_it_came_second(self, service):
        """Or its keys, handed out as good ones, would open nothing."""
        run_id, _ = service.register()
        overlap, first = timedelta(minutes=5), []
        fuse = Fuse(
            "FakeRuns.rekey",
            meanwhile=lambda: first.append(service.registrar.rotate(OWNER, run_id, overlap)),
        )
        second = replace(service.registrar, runs=fuse.protect(service.runs))
        with pytest.raises(Conflict, match="at the same moment"):
            second.rotate(OWNER, run_id, overlap)
        service.call_back(first[0], "task-1", QUEUED)


class TestDeleting:
    def test_a_deleted_run_is_gone_and_owed_nothing(self, service):
        run_id, keys = service.register("a")
        service.call_back(keys, "a", QUEUED)
        service.registrar.delete(OWNER, run_id)
        assert service.runs.missing([run_id]) == {run_id}
        assert service.tasks.creditors() == set()
        assert service.task("a").runs == ()

    def test_the_others_go_on(self, service):
        run_id, _ = service.register("a")
        other, keys = service.register("a")
        service.registrar.delete(OWNER, run_id)
        service.call_back(keys, "a", QUEUED)
        assert service.tasks.creditors() == {other}

    def test_where_the_store_fails_in_between_it_is_ended_all_the_same(self, service):
        run_id, keys = service.register("a")
        service.tasks.is_down = True
        service.registrar.delete(OWNER, run_id)
        service.tasks.is_down = False
        with pytest.raises(Unknown):
            service.registrar.find(OWNER, run_id)
        with pytest.raises(Unknown):
            service.call_back(keys, "a", QUEUED)
        service.expirer.expire()
        assert service.runs.missing([run_id]) == {run_id}

    def test_where_it_cannot_even_be_ended_nobody_is_told_that_it_was(self, service):
        run_id, _ = service.register("a")
        service.runs.is_down = True
        with pytest.raises(Unavailable):
            service.registrar.delete(OWNER, run_id)
