"""`watch` tells every update once, and ends when all tasks have ended, whatever fails between."""

import logging
import signal
import threading
import time

import pytest
from callback_client import CallbackServiceError
from callback_client.updates import Page, Updates
from callback_client.values import Run
from callback_client.watching import Watching, has_ended

from client.tests.test_updates import FakeClock, make, names

ENDS = ["QUEUED", "RUNNING", "COMPLETE"]


def told(*names):
    return [(task, seq) for task in names for seq in (1, 2, 3)]


def test_it_ends_when_all_tasks_have_ended_and_everything_was_told(client, service, later):
    run = client.register(tasks=["a", "b"])
    service.report("a", *ENDS)
    later(0.2, lambda: service.report("b", *ENDS))
    assert names(client.watch(run)) == told("a", "b")


def test_a_run_that_is_over_is_told_from_the_beginning_and_ends_at_once(client, service):
    service.page_size = 2
    service.report("a", *ENDS)
    service.report("b", "QUEUED", "EXECUTOR_ERROR")
    run = client.register(tasks=["a", "b"])
    assert names(client.watch(run.id)) == [*told("a"), ("b", 1), ("b", 2)]
    assert "wait" not in dict(service.asked("list_run_updates")[-1].query)


def test_a_task_that_was_not_heard_of_yet_is_waited_for(client, service, later):
    run = client.register(tasks=["a", "b"])
    service.report("a", *ENDS)
    later(0.2, lambda: service.report("b", "COMPLETE"))
    assert names(client.watch(run)) == [*told("a"), ("b", 1)]


def test_a_run_without_tasks_is_waited_for(client, service, later):
    run = client.register()
    service.report("a", *ENDS)
    later(0.2, lambda: client.add_tasks(run.id, ["a"]))
    assert names(client.watch(run)) == told("a")


def test_the_run_is_asked_for_only_when_all_that_was_told_has_ended(client, service):
    run = client.register(tasks=["a"])
    service.report("a", "QUEUED")
    updates = client.watch(run)
    next(updates)
    before = len(service.asked("get_run"))
    service.report("a", "RUNNING")
    next(updates)
    assert len(service.asked("get_run")) == before
    service.report("a", "COMPLETE")
    assert names(updates) == [("a", 3)]


def test_a_workflow_that_goes_on_is_watched_until_its_run_is_deleted(client, service, later):
    run = client.register(tasks=["a"])
    service.report("a", *ENDS)
    updates = client.watch(run, until_final=False)
    assert names([next(updates) for _ in ENDS]) == told("a")
    service.report("b", *ENDS)
    client.add_tasks(run.id, ["b"])
    assert names([next(updates) for _ in ENDS]) == told("b")
    client.delete(run.id)
    assert list(updates) == []


@pytest.mark.parametrize("until_final", [True, False])
def test_a_run_that_was_never_there_is_an_error(client, until_final):
    with pytest.raises(CallbackServiceError) as refused:
        next(client.watch("r0", until_final=until_final))
    assert refused.value.status == 404


def test_a_run_that_is_deleted_before_its_tasks_have_ended_is_an_error(client, service):
    run = client.register(tasks=["a"])
    service.report("a", "QUEUED")
    updates = client.watch(run)
    next(updates)
    client.delete(run.id)
    with pytest.raises(CallbackServiceError) as refused:
        next(updates)
    assert refused.value.status == 404


def test_a_restart_is_said_once_and_so_is_its_end(client, service, later, caplog):
    run = client.register(tasks=["a"])
    service.report("a", "QUEUED")
    updates = client.watch(run)
    next(updates)

    def restart():
        service.stop()
        service.report("a", "RUNNING", "COMPLETE")
        time.sleep(0.3)
        service.fail(503)
        service.start()

    with caplog.at_level(logging.INFO, "callback_client"):
        later(0.1, restart)
        assert names(updates) == [("a", 2), ("a", 3)]
    said = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert said == ["updates.interrupted", "updates.resumed"]


def test_an_expired_cursor_begins_again_without_what_was_told(client, service):
    run = client.register(tasks=["a"])
    service.report("a", "QUEUED", "RUNNING")
    updates = client.watch(run)
    assert names([next(updates), next(updates)]) == [("a", 1), ("a", 2)]
    service.expire_cursors()
    service.report("a", "COMPLETE")
    assert names(updates) == [("a", 3)]


def test_a_cursor_leads_to_the_rest_and_to_the_end(client, service):
    run = client.register(tasks=["a", "b"])
    service.report("a", *ENDS)
    before = client.watch(run)
    assert names([next(before) for _ in ENDS]) == told("a")
    service.report("b", *ENDS)
    assert names(client.watch(run, cursor=before.cursor)) == told("b")


def test_ctrl_c_ends_the_waiting_and_the_service_can_be_asked_again(client, service, later):
    run = client.register(tasks=["a"])
    service.report("a", "QUEUED")
    updates = client.watch(run)
    next(updates)
    me = threading.main_thread().ident
    later(0.3, lambda: signal.pthread_kill(me, signal.SIGINT))
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(updates)
    assert time.monotonic() - started < 5
    service.report("a", "RUNNING", "COMPLETE")
    assert names(client.watch(run)) == told("a")


def test_threads_can_watch_at_once_and_leave_no_connections_behind(client, service):
    runs = [client.register(tasks=[f"t{n}"]) for n in range(8)]
    found = {}

    def watch(run):
        found[run.id] = names(client.watch(run))

    threads = [threading.Thread(target=watch, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for n in range(8):
        service.report(f"t{n}", *ENDS)
    for thread in threads:
        thread.join(10)
    assert found == {run.id: told(f"t{n}") for n, run in enumerate(runs)}
    for _ in range(20):
        # Left in the middle.
        next(client.watch(runs[0]))
    assert service.connections <= len(threads) + 1


def test_an_end_that_is_taken_back_while_it_is_looked_at_is_no_end():
    """A server's own answer may correct a final state."""
    pages = [
        Page((make("a", 1, final=True),), "1"),
        Page((make("a", 2),), "2"),
        Page((make("a", 3, final=True),), "3"),
        Page((), "3"),
    ]
    watching = Watching(
        lambda *_: pages.pop(0), lambda: Run("r0", tasks={"COMPLETE": 1}), wait=0, until_final=True
    )
    updates = Updates(watching, clock=FakeClock())
    assert names(updates) == [("a", 1), ("a", 2), ("a", 3)]


@pytest.mark.parametrize(
    ("tasks", "ended"),
    [
        (None, False),
        ({}, False),
        ({"COMPLETE": 2, "PREEMPTED": 1}, True),
        ({"COMPLETE": 2, "RUNNING": 0}, True),
        ({"COMPLETE": 2, "UNKNOWN": 1}, False),
    ],
)
def test_a_run_has_ended_if_it_has_tasks_and_all_have(tasks, ended):
    assert has_ended(Run("r0", tasks=tasks)) is ended
