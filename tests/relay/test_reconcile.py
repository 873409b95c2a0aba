"""Servers are asked how their tasks stand, whether they call back or not."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from callback_service.domain.doubt import SETTLING
from callback_service.domain.errors import Unavailable
from callback_service.domain.freshness import UNCONFIRMED, Patience, is_fresh, known_at
from callback_service.domain.polling import LONGEST_BACKOFF, Budget, CallsBack, Filters
from callback_service.domain.server import Access
from callback_service.domain.states import Source, State
from callback_service.domain.task import LOST, MISSING_FOR
from callback_service.relay.observe import Sighting
from callback_service.relay.ports import Reply
from callback_service.relay.reconcile.errand import MOST_TASKS
from callback_service.relay.reconcile.means import Terms
from callback_service.relay.reconcile.memory import TRIED_AGAIN
from callback_service.relay.reconcile.reconciler import HOLD
from callback_service.tes_sim.faults import Answer, On
from tests.fakes.fuse import Crashed, Fuse
from tests.relay.polled_service import TAG, PolledService
from tests.relay.small_service import key
from tests.tes_sim.running import new_core

QUEUED, RUNNING, COMPLETE = State.QUEUED, State.RUNNING, State.COMPLETE
FAST = 1.0
# The fast interval, and what it takes until somebody looks.
INTERVAL = 1.2


@pytest.fixture
def service() -> PolledService:
    return PolledService()


def service_on(profile: str, **settings) -> PolledService:
    return PolledService(core=new_core(profile), **settings)


class TestFollowing:
    def test_what_happens_at_the_server_is_told(self, service):
        task_id = service.submit("QUEUED 3, RUNNING 3, COMPLETE")
        run_id, _ = service.follow(task_id)
        service.pass_time(10)
        service.deliver(run_id)
        assert service.told(run_id) == [(task_id, s) for s in (QUEUED, RUNNING, COMPLETE)]
        assert {one.source for one in service.task(task_id).history} == {Source.POLL}

    def test_moves_back_are_told_like_any_other(self):
        service = service_on("tesk")
        task_id = service.submit("QUEUED 3, RUNNING 3, QUEUED 3, RUNNING 3, COMPLETE")
        run_id, _ = service.follow(task_id)
        service.pass_time(20)
        service.deliver(run_id)
        told = [state for _, state in service.told(run_id)]
        assert told == [QUEUED, RUNNING, QUEUED, RUNNING, COMPLETE]

    def test_a_change_is_noticed_within_two_intervals(self, service):
        scripts = [f"QUEUED {2 + n / 10}, RUNNING 4, COMPLETE" for n in range(20)]
        task_ids = [service.submit(script) for script in scripts]
        service.follow(*task_ids)
        service.pass_time(15)
        for task in service.core.tasks():
            moves = {move.state: move.at for move in task.moves}
            for update in service.task(task.id).history[1:]:
                assert update.at - moves[update.state] <= timedelta(seconds=2 * FAST)

    def test_nobody_is_asked_while_nothing_is_open(self, service):
        service.submit()
        service.pass_time(60)
        service.submit_and_follow(3, "RUNNING 1, COMPLETE")
        service.pass_time(10)
        service.asked()
        service.pass_time(3600, every=10)
        assert service.asked() == []
        assert service.unsettled() == []

    def test_a_task_that_does_not_move_is_asked_for_less_and_less_often(self, service):
        service.submit_and_follow(1)
        counts = []
        for _ in range(4):
            service.pass_time(600)
            counts.append(len(service.asked()))
        assert counts == sorted(counts, reverse=True)
        assert counts[0] < 60
        assert counts[-1] in {10, 11}

    def test_nothing_is_written_where_all_is_as_believed(self, service):
        task_ids = service.submit_and_follow(50)
        service.pass_time(5)
        before = service.tasks.load([key(one) for one in task_ids])
        service.pass_time(30)
        assert service.tasks.load([key(one) for one in task_ids]) == before
        for task in service.unsettled():
            assert service.clock.now() - known_at(task, service.server) < timedelta(seconds=6)

    def test_while_clients_wait_its_server_is_asked_more_often(self, service):
        service.submit_and_follow(20)
        service.pass_time(20)
        service.asked()
        now = service.clock.now()
        service.servers.want(["default"], now + timedelta(seconds=10))
        service.pass_time(8)
        assert 8 / 0.6 <= len(service.asked()) <= 8 / 0.4

    def test_a_registration_with_tasks_lets_workers_look_at_once(self, service):
        service.pass_time(10)
        task_id = service.submit()
        service.follow(task_id)
        service.pass_time(0.4)
        assert service.task(task_id).state is RUNNING

    def test_of_tasks_that_come_one_by_one_there_is_a_look_a_second(self, service):
        for _ in range(20):
            service.submit_and_follow(1)
            service.pass_time(0.2)
        assert len(service.asked()) <= 20 * 0.2 + 1

    def test_a_task_that_two_owners_follow_is_asked_for_once(self, service):
        task_id = service.submit("RUNNING 5, COMPLETE")
        service.follow(task_id, tagged=False)
        service.register(task_id, owner="another")
        service.pass_time(0.2)
        assert service.asked() == ["get"]
        service.pass_time(10)
        tasks = service.tasks.load([key(task_id), key(task_id, "another")])
        assert {task.state for task in tasks.values()} == {COMPLETE}


class TestRaces:
    def test_an_answer_that_is_older_than_a_callback_says_nothing(self, service):
        task_id = service.submit("QUEUED 5, RUNNING 5, COMPLETE")
        _, keys = service.follow(task_id)
        service.pass_time(4.8)

        def call_back(put):
            service.tes.meanwhile = lambda put: None
            service.call_back(keys, task_id, RUNNING)

        service.tes.meanwhile = call_back
        service.pass_time(2)
        assert [one.state for one in service.task(task_id).history] == [QUEUED, RUNNING]

    def test_an_end_that_only_a_callback_told_is_confirmed_once(self, service):
        task_id = service.submit("RUNNING 5, COMPLETE")
        _, keys = service.follow(task_id)
        service.pass_time(4.9)
        service.clock.advance(0.2)
        service.asked()
        service.call_back(keys, task_id, COMPLETE)
        service.pass_time(10)
        assert service.asked() == ["get"]
        assert service.task(task_id).is_settled

    def test_an_end_that_the_server_does_not_know_of_is_corrected(self, service):
        task_id = service.submit("RUNNING 60, COMPLETE")
        run_id, keys = service.follow(task_id)
        service.call_back(keys, task_id, COMPLETE)
        service.pass_time(100)
        service.deliver(run_id)
        assert service.told(run_id) == [(task_id, s) for s in (COMPLETE, RUNNING, COMPLETE)]

    def test_one_that_was_doubted_amid_others_is_corrected_as_soon(self, service):
        task_id = service.submit("RUNNING 60, COMPLETE")
        _, keys = service.follow(task_id)
        # They have the server asked for all until the doubt is almost over, and not after that.
        service.submit_and_follow(5, "RUNNING 4, COMPLETE")
        service.call_back(keys, task_id, COMPLETE)
        service.pass_time(SETTLING.total_seconds() + 0.6)
        assert len(service.unsettled()) == 1
        assert service.task(task_id).state is RUNNING

    def test_an_end_that_nobody_confirms_for_an_hour_is_taken_for_one(self, service):
        task_id = service.submit()
        _, keys = service.follow(task_id)
        service.call_back(keys, task_id, COMPLETE)
        service.tes.down.add("default")
        service.pass_time(UNCONFIRMED.total_seconds(), every=1)
        assert service.unsettled()
        service.pass_time(2 * LONGEST_BACKOFF.total_seconds(), every=1)
        assert service.unsettled() == []
        assert service.task(task_id).state is COMPLETE


class TestLost:
    def test_a_task_that_its_server_does_not_know_twice_has_failed(self, service):
        task_id = service.submit()
        run_id, _ = service.follow(task_id)
        service.pass_time(5)
        service.core.forget(task_id)
        service.pass_time(MISSING_FOR.total_seconds())
        assert service.task(task_id).state is RUNNING
        service.pass_time(10)
        last = service.task(task_id).history[-1]
        assert (last.state, last.reason) == (State.SYSTEM_ERROR, LOST)
        assert service.unsettled() == []
        service.deliver(run_id)
        assert service.told(run_id)[-1] == (task_id, State.SYSTEM_ERROR)

    def test_one_that_is_back_after_a_while_is_not_lost(self, service):
        task_id = service.submit()
        service.follow(task_id, "not-there-yet")
        service.pass_time(5)
        assert service.task("not-there-yet").missing_at
        assert service.task(task_id).missing_at is None
        service.pass_time(60)
        assert service.task("not-there-yet").missing_at
        assert service.task("not-there-yet").state is State.UNKNOWN

    def test_a_task_that_was_missed_once_and_is_listed_again_is_no_longer_missed(self, service):
        task_ids = service.submit_and_follow(20)
        service.pass_time(5)
        service.observer.observe([Sighting(key(task_ids[0]), None, 1, service.clock.now())])
        assert service.task(task_ids[0]).missing_at
        service.pass_time(5)
        assert service.task(task_ids[0]).missing_at is None

    def test_what_a_poll_saw_is_as_old_as_its_beginning(self, service):
        (task_id,) = service.submit_and_follow(1)
        began_at = service.clock.now()
        service.tes.meanwhile = lambda put: service.clock.advance(7)
        service.look(service.worker())
        task = service.task(task_id)
        assert (task.confirmed_at, task.heard_at) == (began_at, service.clock.now())

    def test_a_proxy_that_knows_nothing_at_all_is_not_believed(self, service):
        """While a server restarts, its proxy may answer 404 to whatever comes."""
        task_ids = service.submit_and_follow(2)
        service.pass_time(5)
        service.fail(answer=Answer.ERROR, status=404)
        service.pass_time(600)
        assert {service.task(one).missing_at for one in task_ids} == {None}
        assert "base of its TES API" in service.polling.error
        service.fail()
        service.pass_time(150)
        assert service.polling.error is None

    def test_where_callers_show_their_own_credentials_404_says_nothing(self, service):
        """Ours may not see their tasks."""
        service.tes.credentials = {"ours": "Bearer ours"}
        passing = replace(service.server, access=Access.PASS, credentials="ours")
        service.servers.save(passing)
        service.follow("of-another", service.submit())
        service.pass_time(600)
        assert service.task("of-another").missing_at is None
        assert service.task("of-another").seq == 0
        assert service.polling.error is None

    def test_where_we_have_no_credentials_for_them_we_ask_as_anybody(self, service):
        """It may let everybody look; if not, operators see that it does not."""
        service.servers.save(replace(service.server, access=Access.PASS))
        service.submit_and_follow(3)
        service.pass_time(60)
        assert service.polling.error is None
        assert service.polling.covered_at


class TestWays:
    """`asked` are the requests in short; see `docs/decisions/0016`."""

    def test_few_tasks_are_asked_for_one_by_one(self, service):
        service.submit_and_follow(2)
        service.pass_time(0.2)
        assert service.asked() == ["get", "get"]

    def test_many_are_in_one_list(self, service):
        service.submit_and_follow(250, tagged=False)
        service.pass_time(0.2)
        assert service.asked() == ["list"]

    def test_filters_are_tried_before_they_are_believed(self, service):
        service.submit_and_follow(3)
        service.pass_time(2)
        assert service.asked() == ["list", "list probe", "list tag"]
        assert service.polling.filters is Filters.HONOURED

    def test_filters_that_are_ignored_are_not_used(self):
        service = service_on("tesk")
        service.submit_and_follow(3)
        service.pass_time(3)
        assert service.asked() == ["list", "list probe", "list", "list"]
        assert service.polling.filters is Filters.IGNORED

    def test_they_are_tried_again_some_day(self):
        service = service_on("tesk")
        service.submit_and_follow(3)
        service.pass_time(2)
        service.core.profile = replace(service.core.profile)
        service.asked()
        service.pass_time(TRIED_AGAIN.total_seconds() + 100, every=20)
        assert service.asked().count("list probe") == 1

    def test_filters_that_are_ignored_from_one_day_on_do_not_mislead(self, service):
        task_ids = service.submit_and_follow(300, "RUNNING 60, COMPLETE")
        service.core.make(3000, 0, service.clock.now())
        service.pass_time(30)
        assert service.polling.filters is Filters.HONOURED
        service.fail(no_filters=True)
        service.pass_time(60)
        assert set(service.believed(*task_ids).values()) == {COMPLETE}

    def test_a_server_that_refuses_filters_is_asked_without(self, service):
        service.submit_and_follow(3)
        service.pass_time(0.2)
        service.asked()
        service.fail(answer=Answer.ERROR, status=400, on=On.LIST, times=1)
        service.pass_time(1.2)
        assert service.asked() == ["list tag", "list"]
        assert service.polling.filters is Filters.IGNORED

    def test_a_task_that_lost_its_tag_is_asked_for_singly(self, service):
        service.submit_and_follow(20)
        service.pass_time(3)
        lost = service.submit(tagged=False)
        service.follow(lost)
        service.asked()
        service.pass_time(0.4)
        assert service.asked() == ["list tag", "get"]
        assert service.task(lost).state is RUNNING

    def test_where_all_lost_it_the_tag_is_not_used_any_more(self, service):
        service.submit_and_follow(20)
        service.pass_time(3)
        task_ids = [service.submit(tagged=False) for _ in range(20)]
        service.follow(*task_ids)
        service.asked()
        service.pass_time(0.4)
        assert service.asked() == ["list tag", "list"]
        assert set(service.believed(*task_ids).values()) == {RUNNING}

    @pytest.mark.parametrize(
        ("profile", "first", "then"), [("funnel", 7, 1), ("strict", 7, 1), ("tesk", 1, 1)]
    )
    def test_a_hundred_open_ones_among_ten_thousand(self, profile, first, then):
        service = service_on(profile)
        service.core.make(9900, 100, service.clock.now())
        still_open = [one for one, state in service.truth().items() if state is RUNNING]
        service.follow(*still_open, tagged=False)
        service.pass_time(0.2)
        assert len(service.asked()) == first
        assert set(service.believed(*still_open).values()) == {RUNNING}
        service.pass_time(1.2)
        assert len(service.asked()) == then

    def test_what_is_in_no_list_by_state_has_moved_on(self, service):
        service.core.make(9000, 0, service.clock.now())
        ending = service.submit_and_follow(3, "RUNNING 20, COMPLETE", tagged=False)
        lasting = service.submit_and_follow(97, "RUNNING 900, COMPLETE", tagged=False)
        service.core.make(9000, 0, service.clock.now())
        service.pass_time(19)
        assert service.asked()[-1] == "list RUNNING"
        service.pass_time(5)
        assert service.asked().count("get") == 3
        assert set(service.believed(*ending).values()) == {COMPLETE}
        assert set(service.believed(*lasting).values()) == {RUNNING}

    def test_paging_ends_where_only_few_old_tasks_are_left(self, service):
        old = service.submit_and_follow(2, tagged=False)
        service.core.make(20_000, 0, service.clock.now())
        service.submit_and_follow(100, tagged=False)
        service.pass_time(0.2)
        assert service.asked() == ["list", "list next", "list probe", "get", "get"]
        assert set(service.believed(*old).values()) == {RUNNING}

    def test_page_tokens_that_repeat_end_the_paging(self, service):
        class Circle:
            def ask(self, server, question):
                return Reply(200, b'{"tasks": [{"id": "x"}], "next_page_token": "again"}')

        worker = service.worker(tes_servers=Circle())
        service.follow(*(f"task-{number}" for number in range(30)), tagged=False)
        worker.look()
        # Two pages, a try of the filters, ten tasks one by one.
        assert service.polling.requests == 13

    @pytest.mark.parametrize("status", [400, 404, 405, 501])
    def test_without_lists_each_has_its_turn(self, service, status):
        task_ids = service.submit_and_follow(40)
        service.fail(answer=Answer.ERROR, status=status, on=On.LIST)
        service.pass_time(60)
        assert set(service.believed(*task_ids).values()) == {RUNNING}
        asked = [one.path for one in service.requests if one.operation == "GetTask"]
        assert max(map(asked.count, asked)) - min(map(asked.count, asked)) <= 1

    @pytest.mark.parametrize("answer", [Answer.ERROR, Answer.HTML, Answer.HANG_UP, Answer.ENDLESS])
    def test_where_lists_fail_tasks_are_asked_for_all_the_same(self, service, answer):
        task_ids = service.submit_and_follow(20, "RUNNING 120, COMPLETE")
        service.fail(answer=answer, on=On.LIST)
        service.pass_time(60)
        assert set(service.believed(*task_ids).values()) == {RUNNING}
        assert service.polling.error is None
        service.pass_time(180)
        assert set(service.believed(*task_ids).values()) == {COMPLETE}

    def test_a_task_of_which_the_server_cannot_tell_holds_up_no_other(self, service):
        fine = service.submit("RUNNING 30, COMPLETE")
        service.follow("broken", fine, tagged=False)

        class Broken:
            def ask(self, server, question):
                if "broken" in question.path:
                    return Reply(500)
                return service.tes.ask(server, question)

        worker = service.worker(tes_servers=Broken())
        service.pass_time(60, worker)
        assert service.task(fine).state is COMPLETE
        assert service.task("broken").seq == 0
        assert service.polling.error is None
        assert service.polling.requests < 60


class TestBudget:
    """A request a second, and what was saved up."""

    def most_within(self, service, seconds: float) -> int:
        times = [one.at for one in service.requests]
        window = timedelta(seconds=seconds)
        return max(sum(at <= one < at + window for one in times) for at in times)

    @pytest.mark.parametrize("workers", [1, 3])
    @pytest.mark.parametrize("profile", ["funnel", "tesk"])
    @pytest.mark.parametrize("lists", [True, False])
    def test_it_is_kept_whatever_is_wanted(self, profile, lists, workers):
        budget = Budget(1.0, 10)
        service = service_on(profile, terms=Terms(TAG, budget))
        service.core.make(1000, 0, service.clock.now())
        service.submit_and_follow(50, "QUEUED 20, RUNNING 40, COMPLETE")
        service.submit_and_follow(20, "QUEUED 30, RUNNING 70, COMPLETE", tagged=False)
        if not lists:
            service.fail(answer=Answer.ERROR, status=404, on=On.LIST)
        team = [service.worker() for _ in range(workers)]
        for _ in range(150):
            service.servers.want(["default"], service.clock.now() + timedelta(seconds=5))
            service.pass_time(1, *team)
        for seconds in (1, 5, 20, 60):
            assert self.most_within(service, seconds) <= budget.saved + seconds
        assert self.most_within(service, 60) > 55

    def test_after_an_outage_one_list_tells_all(self, service):
        task_ids = service.submit_and_follow(500, "RUNNING 10, COMPLETE")
        service.pass_time(5)
        service.tes.down.add("default")
        service.pass_time(900)
        assert service.polling.failures >= 9
        # Twice a minute at the most, in the end.
        asked_at = service.watched.asked_at
        late = [at for at in asked_at if at > service.clock.now() - timedelta(minutes=10)]
        assert len(late) <= 8
        service.tes.down.clear()
        service.asked()
        service.pass_time(150)
        assert service.polling.error is None
        assert len(service.asked()) <= 3
        assert set(service.believed(*task_ids).values()) == {COMPLETE}

    def test_failures_are_further_apart_each_time(self, service):
        service.submit_and_follow(20)
        service.tes.down.add("default")
        service.pass_time(300)
        gaps = [b - a for a, b in pairwise(service.watched.asked_at)]
        assert gaps == sorted(gaps)
        assert gaps[0] < timedelta(seconds=2)
        assert timedelta(seconds=60) < gaps[-1] <= LONGEST_BACKOFF

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_server_that_wants_to_be_left_alone_is(self, service, status):
        class Busy:
            asked = 0

            def ask(self, server, question):
                self.asked += 1
                return Reply(status, headers={"retry-after": "300"})

        busy = Busy()
        worker = service.worker(tes_servers=busy)
        service.submit_and_follow(5)
        service.pass_time(299, worker)
        assert busy.asked == 1
        service.pass_time(10, worker)
        assert busy.asked == 2

    @pytest.mark.parametrize("number", [1, 20])
    @pytest.mark.parametrize(
        ("credentials", "what_to_do"),
        [(None, "name them with"), ("hpc", "to the credentials 'hpc': mend them")],
    )
    def test_a_server_that_wants_credentials_says_what_to_do(self, number, credentials, what_to_do):
        service = PolledService(core=new_core("funnel", token="secret"))
        service.tes.credentials = {"hpc": "Bearer wrong"}
        service.servers.save(replace(service.server, credentials=credentials))
        service.follow(*(f"task-{one}" for one in range(number)))
        service.pass_time(1)
        assert "the TES server default answered 401" in service.polling.error
        assert what_to_do in service.polling.error
        assert {one.missing_at for one in service.unsettled()} == {None}

    def test_a_slow_server_is_not_kept_busy(self, service):
        def slow(put):
            service.clock.advance(5)

        service.submit_and_follow(20)
        service.tes.meanwhile = slow
        service.pass_time(100)
        assert len(service.asked()) <= 11


class TestClaims:
    def test_of_many_workers_one_asks(self, service):
        service.submit_and_follow(20, tagged=False)
        team = [service.worker() for _ in range(5)]
        service.pass_time(10, *team)
        times = [one.at for one in service.requests]
        assert len(times) >= 8
        assert all(b - a >= timedelta(seconds=FAST) for a, b in pairwise(times))

    def test_who_read_before_another_polled_does_not_poll_again(self, service):
        """It read that a task is due, and another was faster."""
        service.submit_and_follow(20, tagged=False)
        other = service.worker()
        fuse = Fuse("FakeServers.claim", meanwhile=other.look)
        service.worker(fuse=fuse).look()
        assert fuse.is_burnt
        assert service.asked() == ["list"]

    @pytest.mark.parametrize("at", range(8))
    @pytest.mark.parametrize("after_effect", [False, True])
    def test_another_goes_on_for_a_worker_that_died(self, service, at, after_effect):
        task_ids = service.submit_and_follow(20, tagged=False)
        dying = service.worker(fuse=Fuse(at, after_effect))
        with suppress(Crashed):
            dying.look()
        begun = len(service.asked())
        service.pass_time(HOLD.total_seconds() + 1, service.worker())
        assert set(service.believed(*task_ids).values()) == {RUNNING}
        assert service.polling.requests >= 1
        assert begun <= 1

    def test_a_claim_lasts_as_long_as_its_poll(self, service):
        """However slow the server is: whoever polls looks on, and holds on to it."""
        waiting = []
        slow = service.worker(start=lambda work: waiting.append(work) or True)
        service.submit_and_follow(20, tagged=False)
        slow.look()
        other = service.worker()

        def a_long_time(put):
            service.tes.meanwhile = lambda put: None
            for _ in range(100):
                service.clock.advance(0.2)
                slow.look()
                other.look()

        service.tes.meanwhile = a_long_time
        waiting.pop()()
        assert service.asked() == ["list"]
        assert service.polling.held_until is None

    def test_who_lost_the_claim_stops_asking_and_writes_nothing_of_the_server(self, service):
        waiting = []
        stalled = service.worker(start=lambda work: waiting.append(work) or True)
        service.core.make(9000, 0, service.clock.now())
        task_ids = [one for one, _ in zip(service.truth(), range(20), strict=False)]
        service.follow(*task_ids, "lost", tagged=False)
        stalled.look()
        other = service.worker()

        def for_too_long(put):
            service.tes.meanwhile = lambda put: None
            service.clock.advance(HOLD.total_seconds())
            other.look()
            service.clock.advance(HOLD.total_seconds() / 2)
            stalled.look()
            service.asked()

        service.tes.meanwhile = for_too_long
        waiting.pop()()
        assert service.asked() == []
        requests = service.polling.requests
        assert service.polling.claim == 2
        assert requests >= 2

    def test_a_database_that_is_away_ends_the_poll(self, service):
        task_ids = service.submit_and_follow(20)

        def away(put):
            service.tasks.is_down = service.servers.is_down = True

        service.tes.meanwhile = away
        service.look()
        with pytest.raises(Unavailable):
            service.look()
        service.tes.meanwhile = lambda put: None
        service.tasks.is_down = service.servers.is_down = False
        service.pass_time(HOLD.total_seconds() + 1)
        assert set(service.believed(*task_ids).values()) == {RUNNING}

    def test_a_server_that_hangs_delays_no_other(self, service):
        waiting = []
        worker = service.worker(start=lambda work: waiting.append(work) or True)
        service.submit_and_follow(3)
        service.servers.add(replace(service.server, key="other"))
        service.follow("x", server="other", tagged=False)
        service.pass_time(10, worker)
        assert len(waiting) == 2

    def test_without_a_free_place_it_is_for_another_worker(self, service):
        service.submit_and_follow(3)
        service.pass_time(5, service.worker(start=lambda work: False))
        assert service.asked() == []
        assert service.polling.claim == 0
        service.look()
        assert service.asked()

    def test_a_worker_that_ends_asks_nothing_more(self, service):
        service.core.make(9000, 0, service.clock.now())
        task_ids = [one for one, _ in zip(service.truth(), range(8999), strict=False)]
        service.follow(*task_ids, tagged=False)
        service.tes.meanwhile = lambda put: service.reconciler.stop(0)
        service.look()
        assert service.asked() == ["list"]
        assert service.polling.held_until is None
        # What it has seen is not lost.
        assert len(service.unsettled()) < len(task_ids)
        service.pass_time(60)
        assert service.asked() == []


class TestCallingBack:
    def told(self, service, number: int = 30) -> None:
        """A server that calls back, and what was learnt of it."""
        for _ in range(number):
            task_id = service.submit("RUNNING 2.1, COMPLETE")
            _, keys = service.follow(task_id)
            service.call_back(keys, task_id, RUNNING)
            service.pass_time(2)
            service.call_back(keys, task_id, COMPLETE)
            service.pass_time(2)

    def test_it_is_learnt(self, service):
        self.told(service)
        assert service.server.tells is CallsBack.YES

    def test_so_is_that_it_does_not(self, service):
        service.submit_and_follow(10, "QUEUED 3, RUNNING 3, COMPLETE")
        service.pass_time(10)
        assert service.server.tells is CallsBack.NO

    def test_whoever_tells_is_not_asked_until_it_is_silent(self, service):
        service.servers.save(replace(service.server, calls_back=CallsBack.YES))
        task_id = service.submit()
        _, keys = service.follow(task_id)
        service.call_back(keys, task_id, RUNNING)
        service.pass_time(Patience().silence.total_seconds() - 1)
        assert service.asked() == []
        service.pass_time(2)
        assert service.asked() == ["get"]

    def test_what_it_did_not_tell_is_found(self, service):
        self.told(service)
        task_id = service.submit("RUNNING 30, COMPLETE")
        _, keys = service.follow(task_id)
        service.call_back(keys, task_id, RUNNING)
        service.pass_time(125)
        assert service.task(task_id).state is COMPLETE


class TestAnswers:
    def test_what_is_no_task_is_left_out(self, service):
        class Odd:
            def ask(self, server, question):
                items = b'[null, 3, {}, {"id": 5}, {"id": "a", "state": "DREAMING"}, '
                return Reply(200, b'{"tasks": ' + items + b'{"id": "b", "state": "RUNNING"}]}')

        service.follow("a", "b", "c", tagged=False)
        service.worker(tes_servers=Odd()).look()
        assert service.task("b").state is RUNNING
        assert service.task("a").seq == 0
        assert service.polling.error is None

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b"5", b'{"error": "x"}', b'{"tasks": {}}', b"\xff"]
    )
    def test_what_is_no_list_is_a_failure(self, service, body):
        class Rubbish:
            def ask(self, server, question):
                return Reply(200, body)

        service.follow("a", "b", "c", tagged=False)
        service.worker(tes_servers=Rubbish()).look()
        assert "cannot be read" in service.polling.error

    def test_ids_are_quoted(self, service):
        asked = []

        class Echo:
            def ask(self, server, question):
                asked.append(question.path)
                return Reply(404 if question.path != "/tasks" else 200, b'{"tasks": []}')

        service.follow("a/b?c#d %", "..", tagged=False)
        service.worker(tes_servers=Echo()).look()
        assert asked == ["/tasks/a%2Fb%3Fc%23d%20%25", "/tasks"]

    def test_more_tasks_than_are_looked_at_are_not_covered(self, service):
        class Many:
            def unsettled(self, server, limit):
                return service.unsettled() * MOST_TASKS

        task_ids = service.submit_and_follow(1)
        service.worker(tasks=Many()).look()
        assert service.polling.covered_at is None
        assert service.believed(*task_ids) == {task_ids[0]: RUNNING}


class TestFresh:
    def test_a_list_makes_all_open_tasks_known(self, service):
        task_ids = service.submit_and_follow(50, tagged=False)
        service.pass_time(5)
        now = service.clock.now()
        for task_id in task_ids:
            assert is_fresh(service.task(task_id), service.server, Patience(), now)
        service.tes.down.add("default")
        service.pass_time(3)
        now = service.clock.now()
        for task_id in task_ids:
            assert not is_fresh(service.task(task_id), service.server, Patience(), now)
