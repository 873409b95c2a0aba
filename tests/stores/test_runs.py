"""What every store of runs keeps to: one worker has a run, late writes of others are refused."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.runs import MongoRuns
from callback_service.domain.capability import Capability
from callback_service.domain.delivery import Answer, Span
from callback_service.domain.errors import Conflict, CursorExpired
from callback_service.domain.retry import RetryPolicy
from callback_service.domain.run import Failing, Lease, Rewind, Run, RunStatus
from callback_service.domain.sink import CwlWesSink, Format, HttpSink, NoSink, WesSink
from callback_service.domain.task import TaskKey
from callback_service.relay.ports import Ending, RunFilter, Runs
from tests.fakes.clock import START
from tests.fakes.store import FakeRuns

SINK = HttpSink("https://wes.example.org/hook", Format.TES, {"X-Api.Key$": "a b"})
BATCH = (Span(TaskKey("local", "tesk", "task-1"), 1, 3), Span(TaskKey("a/b", "tesk", "x y"), 2, 2))
MINE = RunFilter("local")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run(run_id: str = "r1", **fields: object) -> Run:
    first = Run(id=run_id, owner="local", server="tesk", created_at=START, expires_at=at(1000))
    return replace(first, **fields)


FULL = run(
    name="a name",
    tags={"dotted.key": "value", "$dollar": ""},
    sink=SINK,
    secrets=(Capability("whsec_1"), Capability("whsec_0", at(5))),
    tokens=(Capability("sha256:1"),),
    status=RunStatus.PAUSED,
    retry=RetryPolicy((0, 1.5, 20)),
    failures=3,
    next_attempt_at=at(7),
    lease=Lease(4, "worker", at(6)),
    batch=BATCH,
    rewind=Rewind(at(1), ("a", "b")),
    failing=Failing("alice", at(3), "its engine was killed"),
    last_delivery_at=at(2),
    last_error="answered 500",
)


def load(runs: Runs, run_id: str = "r1") -> Run:
    return runs.find([run_id])[run_id]


def claim(runs: Runs, known: Run, seconds: float = 0, holder: str = "worker") -> bool:
    lease = Lease(known.lease.generation + 1, holder, at(seconds + 6))
    return runs.claim(known, lease, BATCH, at(seconds))


class KeepingSuite:
    @pytest.mark.parametrize("given", [run(), FULL])
    def test_a_run_is_found_as_it_was_added(self, runs: Runs, given: Run):
        runs.add(given)
        runs.add(run("r2"))
        assert runs.find(["r1", "r9"]) == {"r1": given}

    @pytest.mark.parametrize("given", [run(), FULL])
    def test_an_outline_is_the_run_without_what_may_be_long(self, runs: Runs, given: Run):
        runs.add(given)
        runs.add(run("r2"))
        assert runs.outlines(["r1", "r9"]) == {"r1": replace(given, batch=(), rewind=None)}

    def test_an_id_is_given_once(self, runs: Runs):
        runs.add(run())
        with pytest.raises(Conflict):
            runs.add(run(name="another"))
        assert load(runs) == run()

    @pytest.mark.parametrize("given", [run(), FULL])
    def test_keys_are_replaced_only_where_they_are_still_those_that_were_read(
        self, runs: Runs, given: Run
    ):
        runs.add(given)
        tokens = Capability("sha256:2"), Capability("sha256:1", at(9))
        secrets = (Capability("whsec_2"),)
        assert runs.rekey(given, tokens, secrets)
        assert load(runs) == replace(given, tokens=tokens, secrets=secrets)
        assert not runs.rekey(given, (Capability("sha256:3"),), secrets)
        assert load(runs).tokens == tokens
        assert runs.rekey(load(runs), tokens[:1], secrets)

    def test_of_a_run_that_is_ending_no_keys_are_replaced(self, runs: Runs):
        runs.add(run(status=RunStatus.ENDING))
        assert not runs.rekey(run(), (Capability("sha256:2"),), ())

    def test_missing_are_those_that_are_not_there(self, runs: Runs):
        runs.add(run())
        assert runs.missing({"r1", "r2"}) == {"r2"}
        runs.remove("r1")
        runs.remove("r1")
        assert runs.missing(["r1"]) == {"r1"}

    @pytest.mark.parametrize(
        "fields",
        [
            {"name": "new", "tags": {"a.b": "c"}},
            {"sink": SINK, "retry": RetryPolicy((0, 60))},
            {"sink": NoSink()},
            {"secrets": (Capability("whsec_2"), Capability("whsec_1", at(9)))},
            {"tokens": (Capability("sha256:2"),), "expires_at": at(99)},
            {"status": RunStatus.PAUSED},
            {"rewind": Rewind(at(3)), "next_attempt_at": None, "failures": 0},
            {"rewind": Rewind(None, ())},
            {"rewind": None},
            {"failing": Failing("bob", at(4), "x")},
            {"failing": None},
            {},
        ],
    )
    def test_fields_are_changed_by_name_and_the_others_stay(
        self, runs: Runs, fields: dict[str, object]
    ):
        runs.add(FULL)
        runs.change("r1", fields)
        assert load(runs) == replace(FULL, **fields)

    def test_nobody_brings_back_a_run_that_is_ending(self, runs: Runs):
        runs.add(run(status=RunStatus.ENDING))
        runs.change("r1", {"status": RunStatus.ACTIVE})
        runs.resume("r1")
        assert load(runs).status is RunStatus.ENDING

    def test_changing_a_run_that_is_not_there_adds_none(self, runs: Runs):
        runs.change("r1", {"name": "x"})
        runs.resume("r1")
        assert runs.find(["r1"]) == {}

    @pytest.mark.parametrize("status", [RunStatus.PAUSED, RunStatus.GONE, RunStatus.ACTIVE])
    def test_a_run_that_is_resumed_is_due_with_all_attempts_before_it(
        self, runs: Runs, status: RunStatus
    ):
        runs.add(run(status=status, failures=5, next_attempt_at=at(500)))
        assert runs.due(["r1"], at(1)) == set()
        runs.resume("r1")
        assert runs.due(["r1"], at(1)) == {"r1"}
        assert load(runs).failures == 0

    def test_overdue_are_those_that_asked_to_be_told_again(self, runs: Runs):
        runs.add(run())
        runs.add(run("r2"))
        runs.add(run("r3", rewind=Rewind(None, ("a",))))
        runs.change("r2", {"rewind": Rewind()})
        assert runs.overdue(at(1)) == {"r2", "r3"}
        runs.change("r3", {"rewind": None})
        assert runs.overdue(at(1)) == {"r2"}

    def test_overdue_are_those_that_were_given_up(self, runs: Runs):
        runs.add(run())
        runs.add(run("r2"))
        runs.change("r2", {"failing": Failing("alice", at(1), "x")})
        assert runs.overdue(at(1)) == {"r2"}

    def test_overdue_are_those_whose_retry_is_due(self, runs: Runs):
        runs.add(run("r1", next_attempt_at=at(5)))
        runs.add(run("r2", next_attempt_at=at(5), status=RunStatus.PAUSED))
        assert runs.overdue(at(4)) == set()
        assert runs.overdue(at(5)) == {"r1"}

    def test_overdue_are_those_whose_worker_died(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        assert runs.overdue(at(1)) == set()
        assert runs.overdue(at(100)) == {"r1"}
        runs.close(load(runs), 1, batch=())
        assert runs.overdue(at(100)) == set()

    def test_ended_are_the_expired_and_the_deleted(self, runs: Runs):
        runs.add(run())
        runs.add(run("r2", status=RunStatus.ENDING))
        runs.add(run("r3", expires_at=at(5)))
        runs.add(run("r4", expires_at=at(5), status=RunStatus.PAUSED))
        assert set(runs.ended(at(5) - timedelta(milliseconds=1), 10)) == {"r2"}
        assert set(runs.ended(at(5), 10)) == {"r2", "r3", "r4"}
        assert len(runs.ended(at(5), 2)) == 2


class ListingSuite:
    def ids(self, runs: Runs, wanted: RunFilter, after: str | None = None, limit: int = 10):
        return [found.id for found in runs.list(wanted, after, limit)]

    def test_newest_first_in_pages(self, runs: Runs):
        for run_id, seconds in (("r1", 1), ("r2", 3), ("r3", 2), ("r4", 2), ("r5", 2)):
            runs.add(run(run_id, created_at=at(seconds)))
        in_order = ["r2", "r5", "r4", "r3", "r1"]
        assert self.ids(runs, MINE) == in_order
        for place in range(5):
            assert self.ids(runs, MINE, in_order[place], 2) == in_order[place + 1 : place + 3]

    def test_a_run_that_comes_meanwhile_shifts_no_page(self, runs: Runs):
        runs.add(run("r1"))
        runs.add(run("r2", created_at=at(1)))
        assert self.ids(runs, MINE, limit=1) == ["r2"]
        runs.add(run("r3", created_at=at(2)))
        assert self.ids(runs, MINE, "r2") == ["r1"]

    def test_a_page_behind_a_run_that_is_gone_is_refused(self, runs: Runs):
        runs.add(run("r1"))
        runs.add(run("r2", owner="you"))
        for after in ("r0", "r2"):
            with pytest.raises(CursorExpired):
                runs.list(MINE, after, 10)

    def test_owners_see_their_own(self, runs: Runs):
        runs.add(run("r1"))
        runs.add(run("r2", owner="you"))
        assert self.ids(runs, MINE) == ["r1"]

    def test_names_match_by_prefix_and_letter_by_letter(self, runs: Runs):
        for number, name in enumerate(["ab", "abc", "a.c", "ABC", "b", "abé", "a"]):
            runs.add(run(f"r{number}", name=name))
        assert set(self.ids(runs, RunFilter("local", "ab"))) == {"r0", "r1", "r5"}
        assert self.ids(runs, RunFilter("local", "a.")) == ["r2"]

    def test_tags_match_exactly_and_an_empty_value_any(self, runs: Runs):
        runs.add(run("r1", tags={"a.b": "1", "c": "2"}))
        runs.add(run("r2", tags={"a.b": "2", "c": "1"}))
        runs.add(run("r3", tags={}))

        def tagged(*tags: tuple[str, str]) -> set[str]:
            return set(self.ids(runs, RunFilter("local", tags=tags)))

        assert tagged(("a.b", "1")) == {"r1"}
        assert tagged(("a.b", "1"), ("c", "2")) == {"r1"}
        assert tagged(("a.b", "1"), ("c", "1")) == set()
        assert tagged(("c", "")) == {"r1", "r2"}
        assert tagged(("d", "")) == set()

    def test_ending_ones_are_shown_only_if_asked_for(self, runs: Runs):
        runs.add(run("r1"))
        runs.add(run("r2", status=RunStatus.ENDING))
        runs.add(run("r3", status=RunStatus.PAUSED))
        assert set(self.ids(runs, MINE)) == {"r1", "r3"}
        assert self.ids(runs, RunFilter("local", status="ending")) == ["r2"]
        assert self.ids(runs, RunFilter("local", status="paused")) == ["r3"]


class LeaseSuite:
    @pytest.mark.parametrize(
        "given",
        [
            run(),
            run(next_attempt_at=at(5)),
            run(next_attempt_at=at(6)),
            run(lease=Lease(3, "other", at(5))),
            run(lease=Lease(3, "other", at(6))),
            run(lease=Lease(3)),
            run(status=RunStatus.PAUSED),
            run(status=RunStatus.GONE),
            run(status=RunStatus.ENDING),
            run(expires_at=at(5)),
            run(expires_at=at(6)),
        ],
    )
    def test_a_run_is_claimed_exactly_when_it_is_due(self, runs: Runs, given: Run):
        runs.add(given)
        is_due = given.is_due(at(5))
        assert runs.due(["r1", "r2"], at(5)) == ({"r1"} if is_due else set())
        assert claim(runs, given, 5) is is_due
        if is_due:
            lease = Lease(given.lease.generation + 1, "worker", at(11))
            assert load(runs) == replace(given, lease=lease, batch=BATCH)
        else:
            assert load(runs) == given

    def test_of_two_who_claim_the_second_has_lost(self, runs: Runs):
        runs.add(run())
        assert claim(runs, run())
        assert not claim(runs, run(), holder="other")
        assert load(runs).lease.holder == "worker"

    def test_of_many_who_claim_at_once_one_gets_it(self, runs: Runs):
        runs.add(run())
        with ThreadPoolExecutor(8) as workers:
            claims = list(workers.map(lambda name: claim(runs, run(), 0, f"w{name}"), range(8)))
        assert sum(claims) == 1
        assert load(runs).lease.holder == f"w{claims.index(True)}"

    def test_who_read_the_run_before_another_had_it_has_lost(self, runs: Runs):
        """Even when the other is done: the batch that was read is not what is owed now."""
        runs.add(run())
        claim(runs, run())
        runs.close(run(), 1, batch=())
        assert not claim(runs, run(), 1, "other")

    def test_an_expired_lease_is_taken_over_and_the_first_holder_writes_no_more(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        slow = load(runs)
        assert claim(runs, slow, 7, "other")
        taken = load(runs)
        assert not runs.keep("r1", 1, ())
        assert runs.close(replace(slow, failures=9), 1, batch=()) is Ending.LOST
        runs.renew("worker", ["r1"], at(100))
        assert load(runs) == taken

    def test_a_lease_by_a_clock_that_is_wrong_is_taken_over(self, runs: Runs):
        runs.add(run())
        claim(runs, run(), 900, "fast")
        assert not runs.knock("r1", START)
        assert runs.due(["r1"], START) == {"r1"}
        assert claim(runs, load(runs))
        assert runs.knock("r1", START)
        assert runs.due(["r1"], START) == set()

    def test_the_next_batch_is_put_down_under_the_lease(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        assert runs.keep("r1", 1, BATCH[1:])
        assert load(runs).batch == BATCH[1:]
        assert not runs.keep("r1", 2, ())
        assert not runs.keep("r2", 1, ())

    def test_leases_are_lengthened_never_shortened_and_only_the_holders(self, runs: Runs):
        for run_id in ("r1", "r2", "r3"):
            runs.add(run(run_id))
            claim(runs, run(run_id), holder="other" if run_id == "r3" else "worker")
        runs.renew("worker", ["r1", "r3"], at(20))
        runs.renew("worker", ["r1"], at(10))
        until = {
            run_id: found.lease.until for run_id, found in runs.find(["r1", "r2", "r3"]).items()
        }
        assert until == {"r1": at(20), "r2": at(6), "r3": at(6)}

    def test_a_renewal_that_comes_late_does_not_lease_again(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        runs.close(run(), 1, batch=())
        runs.renew("worker", ["r1"], at(20))
        assert load(runs).lease.until is None


class ClosingSuite:
    def test_how_the_telling_stands_is_written_and_the_lease_ended(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        failed = load(runs).after(Answer(status=503), at(1), 0.5)
        assert runs.close(failed, 1, batch=BATCH) is Ending.QUIET
        assert load(runs) == replace(failed, lease=Lease(1), batch=BATCH)
        assert load(runs).failures == 1

    def test_who_holds_the_lease_hears_of_a_knock_when_it_ends(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        assert runs.knock("r1", at(1))
        held = load(runs)
        runs.renew("worker", ["r1"], at(20))
        assert runs.close(held, 1, batch=()) is Ending.KNOCKED
        claim(runs, load(runs), 30)
        assert runs.close(load(runs), 2, batch=()) is Ending.QUIET

    def test_nobody_is_there_to_hear_it_where_no_lease_is_held(self, runs: Runs):
        runs.add(run())
        assert not runs.knock("r1", at(1))
        assert not runs.knock("r2", at(1))
        claim(runs, run())
        assert not runs.knock("r1", at(6))

    def test_what_owners_changed_meanwhile_stays(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        held = load(runs)
        runs.change("r1", {"name": "new", "sink": SINK, "rewind": Rewind()})
        runs.change("r1", {"status": RunStatus.PAUSED})
        assert runs.close(held, 1, batch=()) is Ending.QUIET
        closed = load(runs)
        assert closed.status is RunStatus.PAUSED
        assert (closed.name, closed.sink, closed.rewind) == ("new", SINK, Rewind())

    def test_a_run_whose_receiver_is_gone_is_gone(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        assert (
            runs.close(load(runs).after(Answer(status=410), at(1), 0.5), 1, batch=BATCH)
            is Ending.QUIET
        )
        assert load(runs).status is RunStatus.GONE
        assert load(runs).lease == Lease(1)

    @pytest.mark.parametrize("status", [RunStatus.PAUSED, RunStatus.ENDING])
    def test_unless_its_owner_said_otherwise_meanwhile(self, runs: Runs, status: RunStatus):
        runs.add(run())
        claim(runs, run())
        gone = load(runs).after(Answer(status=410), at(1), 0.5)
        runs.change("r1", {"status": status})
        assert runs.close(gone, 1, batch=()) is Ending.QUIET
        assert load(runs).status is status
        assert load(runs).last_error == "answered 410"

    def test_closing_late_with_an_old_generation_writes_nothing(self, runs: Runs):
        runs.add(run())
        claim(runs, run())
        late = load(runs)
        claim(runs, late, 7, "other")
        for run_then in (late, replace(late, status=RunStatus.GONE)):
            assert runs.close(run_then, 1, batch=()) is Ending.LOST
        assert load(runs).status is RunStatus.ACTIVE
        assert load(runs).lease.holder == "other"
        assert runs.close(run("r9"), 1, batch=()) is Ending.LOST

    def test_a_rewind_is_struck_under_the_lease_unless_another_was_asked_for(self, runs: Runs):
        first, second = Rewind(at(1), ("a",)), Rewind(at(1), ("b",))
        runs.add(run(rewind=first))
        claim(runs, run())
        runs.rewound("r1", 0, first)
        assert load(runs).rewind == first
        runs.change("r1", {"rewind": second})
        runs.rewound("r1", 1, first)
        assert load(runs).rewind == second
        runs.rewound("r1", 1, second)
        assert load(runs).rewind is None


class FailingSuite:
    def test_that_a_run_is_given_up_is_struck_by_its_holder_only(self, runs: Runs):
        first, second = Failing("alice", at(1), "x"), Failing("alice", at(2), "x")
        runs.add(run(failing=first))
        claim(runs, load(runs))
        runs.failed("r1", 0, first)
        assert load(runs).failing == first
        runs.change("r1", {"failing": second})
        runs.failed("r1", 1, first)
        assert load(runs).failing == second
        runs.failed("r1", 1, second)
        assert load(runs).failing is None

    def test_a_run_that_is_gone_is_given_up_no_more(self, runs: Runs):
        runs.add(run(failing=Failing("alice", at(1), "x")))
        claim(runs, load(runs))
        runs.close(replace(load(runs), failures=1), 1, batch=())
        assert load(runs).failing
        claim(runs, load(runs))
        runs.close(replace(load(runs), status=RunStatus.GONE), 2, batch=())
        assert load(runs).status is RunStatus.GONE
        assert load(runs).failing is None

    def test_those_that_go_on_are_found_by_their_sinks_in_the_order_of_their_ids(self, runs: Runs):
        cwl_wes = CwlWesSink("cwl", "A1")
        runs.add(run("r4", sink=cwl_wes, owner="you", batch=BATCH, rewind=Rewind()))
        runs.add(run("r2", sink=cwl_wes, status=RunStatus.PAUSED))
        runs.add(run("r1", sink=WesSink("https://wes.example.org", "A1")))
        runs.add(run("r3", sink=NoSink()))

        def found(*sinks, before=START, after="", limit=9):
            return [one.id for one in runs.going_on(sinks, before, after, limit)]

        assert found(CwlWesSink) == ["r2", "r4"]
        assert found(CwlWesSink, NoSink, WesSink) == ["r1", "r2", "r3", "r4"]
        assert found(CwlWesSink, WesSink, limit=2) == ["r1", "r2"]
        assert found(CwlWesSink, WesSink, after="r2") == ["r4"]
        assert found(CwlWesSink, before=START - timedelta(seconds=1)) == []
        assert runs.going_on([CwlWesSink], START, "r2", 9) == [
            replace(load(runs, "r4"), batch=(), rewind=None)
        ]

    @pytest.mark.parametrize("status", [RunStatus.GONE, RunStatus.ENDING])
    def test_those_that_are_told_nothing_more_do_not_go_on(self, runs: Runs, status: RunStatus):
        runs.add(run(status=status))
        assert runs.going_on([NoSink], START, "", 9) == []


class RunsSuite(KeepingSuite, ListingSuite, LeaseSuite, ClosingSuite, FailingSuite): ...


class TestFakeRuns(RunsSuite):
    @pytest.fixture
    def runs(self) -> Runs:
        return FakeRuns()


@pytest.mark.services
class TestMongoRuns(RunsSuite):
    @pytest.fixture
    def runs(self, mongo_connection: Connection) -> Runs:
        return MongoRuns(mongo_connection)
