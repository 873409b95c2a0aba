"""The iterator of updates: each once, in order, whatever becomes of the service meanwhile."""

import threading
import time

import pytest
from callback_client import CallbackServiceError, ServiceUnreachable, Update
from callback_client.updates import LONGEST_DELAY, Page, Updates
from callback_client.values import parse_moment

STATES = ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETE"]


def names(updates):
    return [(update.task_id, update.seq) for update in updates]


def make(task_id, seq, *, final=False):
    at = parse_moment("2025-06-12T14:30:00Z")
    state = "COMPLETE" if final else "RUNNING"
    return Update("default", task_id, seq, state, "QUEUED", at, "poll", final=final)


class FakeClock:
    """Sleeping takes no time, and is remembered."""

    def __init__(self):
        self.time = 0.0
        self.slept = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds
        self.slept.append(seconds)

    def chance(self):
        return 1.0


class Script:
    """Answers one after the other; remembers the cursors that it was asked with."""

    def __init__(self, *answers):
        self.left = list(answers)
        self.cursors = []

    def __call__(self, cursor):
        self.cursors.append(cursor)
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_told(self):
        return not self.left


def test_what_is_there_is_told_over_all_pages(client, service):
    service.page_size = 3
    service.report("a", *STATES)
    service.report("b", *STATES)
    run = client.register(tasks=["a", "b"])
    found = list(client.updates(run.id, follow=False))
    assert names(found) == [(task, seq) for task in "ab" for seq in (1, 2, 3, 4)]
    assert found[3] == Update(
        "default",
        "a",
        4,
        "COMPLETE",
        "RUNNING",
        parse_moment("2025-06-12T14:30:03.012Z"),
        "callback",
        final=True,
    )


def test_news_end_the_waiting(client, service, later):
    run = client.register(tasks=["a"])
    later(0.2, lambda: service.report("a", "QUEUED"))
    started = time.monotonic()
    assert next(client.updates(run.id, wait=30)).state == "QUEUED"
    assert time.monotonic() - started < 5
    assert len(service.asked("list_run_updates")) == 1


def test_a_cursor_goes_on_where_its_iterator_was(client, service):
    service.report("a", *STATES)
    run = client.register(tasks=["a"])
    before = client.updates(run.id, follow=False)
    assert before.cursor is None
    assert len(list(before)) == 4
    service.report("b", *STATES)
    client.add_tasks(run.id, ["b"])
    after = client.updates(run.id, follow=False, cursor=before.cursor)
    assert names(after) == [("b", seq) for seq in (1, 2, 3, 4)]


def test_a_cursor_leaves_out_no_update_that_was_not_handed_out(client, service):
    """However far a program came before it died: what it kept leads to the rest."""
    service.page_size = 3
    service.report("a", *STATES, *STATES)
    run = client.register(tasks=["a"])
    for read in range(9):
        first = client.updates(run.id, follow=False)
        seen = [next(first).seq for _ in range(read)] if read < 9 else []
        seen += [update.seq for update in client.updates(run.id, follow=False, cursor=first.cursor)]
        assert set(seen) == set(range(1, 9))
        assert len(seen) < 8 + 3


def test_repeats_are_dropped(client, service):
    service.page_size = 2
    service.overlap = 5
    service.report("a", *STATES)
    service.report("b", *STATES)
    run = client.register(tasks=["a", "b"])
    found = names(client.updates(run.id, follow=False))
    assert found == [(task, seq) for task in "ab" for seq in (1, 2, 3, 4)]


def test_a_restart_of_the_service_goes_unnoticed(client, service, later):
    run = client.register(tasks=["a"])
    service.report("a", "QUEUED")
    updates = client.updates(run.id)
    assert next(updates).state == "QUEUED"

    def restart():
        service.stop()
        service.report("a", "RUNNING")
        time.sleep(0.3)
        service.start()

    later(0.1, restart)
    assert next(updates).state == "RUNNING"
    later(0.1, lambda: service.report("a", "COMPLETE"))
    assert next(updates).final


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_service_in_trouble_is_asked_again(client, service, status):
    service.report("a", "QUEUED")
    run = client.register(tasks=["a"])
    service.fail(status)
    assert next(client.updates(run.id)).state == "QUEUED"


@pytest.mark.parametrize("status", [307, 400, 401, 403, 404])
def test_a_service_that_refuses_is_not_asked_again(client, service, status):
    run = client.register(tasks=["a"])
    service.fail(status, Location="/elsewhere")
    with pytest.raises(CallbackServiceError) as refused:
        next(client.updates(run.id))
    assert refused.value.status == status
    assert len(service.asked("list_run_updates")) == 1


def test_an_expired_cursor_begins_again_without_what_was_told(client, service):
    service.report("a", "QUEUED", "RUNNING")
    run = client.register(tasks=["a"])
    updates = client.updates(run.id)
    assert names([next(updates), next(updates)]) == [("a", 1), ("a", 2)]
    service.expire_cursors()
    service.report("a", "COMPLETE")
    assert names([next(updates)]) == [("a", 3)]
    assert updates.cursor == "1.3"


def test_without_a_cursor_nothing_can_have_expired(client, service):
    run = client.register()
    service.fail(410)
    with pytest.raises(CallbackServiceError) as refused:
        next(client.updates(run.id))
    assert refused.value.status == 410


def test_who_does_not_follow_hears_of_trouble_and_can_go_on(client, service):
    service.report("a", "QUEUED")
    run = client.register(tasks=["a"])
    updates = client.updates(run.id, follow=False)
    service.stop()
    with pytest.raises(ServiceUnreachable):
        next(updates)
    service.start()
    assert names(updates) == [("a", 1)]
    assert all("wait" not in dict(asked.query) for asked in service.asked("list_run_updates"))


def test_stop_ends_it_also_while_the_service_is_away(client, service):
    run = client.register()
    service.stop()
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    assert list(client.updates(run.id, stop=stop.is_set)) == []
    assert time.monotonic() - started < 3


def test_stop_loses_nothing(client, service):
    service.report("a", *STATES)
    run = client.register(tasks=["a"])
    stop = threading.Event()
    updates = client.updates(run.id, stop=stop.is_set)
    seen = []
    for update in updates:
        seen.append(update.seq)
        if update.seq == 2:
            stop.set()
    assert seen == [1, 2]
    stop.clear()
    assert list(updates) == []  # an iterator that ended stays ended
    again = client.updates(run.id, cursor=updates.cursor, follow=False)
    assert {3, 4} <= {update.seq for update in again}


def test_who_asks_again_waits_longer_each_time_up_to_a_limit():
    clock = FakeClock()
    script = Script(*[ServiceUnreachable("away")] * 12, Page((make("a", 1),), "1"))
    times = []

    def fetch(cursor):
        times.append(clock.time)
        return script(cursor)

    assert next(Updates(fetch, clock=clock)).seq == 1
    delays = [after - before for before, after in zip(times, times[1:])]
    assert delays[:4] == [0.25, 0.5, 1.0, 2.0]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY


def test_after_an_answer_the_waiting_begins_at_the_beginning():
    clock = FakeClock()
    away = ServiceUnreachable("away")
    script = Script(away, away, away, Page((make("a", 1),), "1"), away, Page((make("a", 2),), "2"))
    updates = Updates(script, clock=clock)
    next(updates)
    before = clock.time
    next(updates)
    assert clock.time - before == 0.25


def test_retry_after_is_heeded():
    clock = FakeClock()
    busy = CallbackServiceError("busy", status=503, retry_after=7)
    next(Updates(Script(busy, Page((make("a", 1),), "1")), clock=clock))
    assert clock.time == 7


def test_a_service_that_does_not_hold_its_answer_back_is_not_overrun():
    clock = FakeClock()
    script = Script(*[Page((), "1")] * 10)
    assert list(Updates(script, clock=clock, stop=script.is_told)) == []
    assert clock.time == pytest.approx(9)


def test_a_page_of_repeats_that_leads_nowhere_is_like_none():
    clock = FakeClock()
    page = Page((make("a", 1),), "1")
    script = Script(page, page, page, page)
    assert len(list(Updates(script, clock=clock, stop=script.is_told))) == 1
    assert clock.time > 1
    assert len(list(Updates(Script(page, page, page), clock=clock, follow=False))) == 1


def test_cursors_that_always_expire_do_not_make_a_storm():
    clock = FakeClock()
    gone = CallbackServiceError("gone", status=410)
    script = Script(*[Page((make("a", 1),), "1"), gone] * 20)
    assert len(list(Updates(script, clock=clock, stop=script.is_told))) == 1
    assert clock.time >= 20 * 0.2


def test_the_tasks_of_different_servers_are_different_tasks(client, service):
    service.report("a", "QUEUED", server="one")
    service.report("a", "RUNNING", server="two")
    run = client.register(tasks=[("one", "a"), ("two", "a")])
    assert [update.server for update in client.updates(run.id, follow=False)] == ["one", "two"]


def test_memory_grows_with_tasks_and_not_with_updates():
    script = Script(
        *[
            Page(tuple(make("a", seq) for seq in range(at, at + 50)), str(at))
            for at in range(1, 500, 50)
        ],
        Page((), "end"),
    )
    updates = Updates(script, follow=False)
    assert len(list(updates)) == 500
    assert len(updates._seen) == 1  # noqa: SLF001 - nobody else can see it
