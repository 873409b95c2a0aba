"""Whoever listens is told all of a task's states in order, and no task waits for that."""

import enum
import logging
import os
import threading
import time

import pytest
from callback_client import Sender, verify
from callback_client.courier import LONGEST_DELAY, LONGEST_RETRY_AFTER, delay_after

from client.tests.fake_listener import TOKEN, FakeListener, Reply

STATES = ["INITIALIZING", "QUEUED", "RUNNING", "COMPLETE"]
SECRET = "whsec_YW4gZXhhbXBsZSBvZiBhIHNlY3JldCwgMzIgYnl0ZXM="
# Hardly a call takes a hundredth of that; a thread may get its turn late on a busy machine.
AT_ONCE = 0.005
# Much less than a listener that hangs would cost.
BUSY_MACHINE = 1.0


@pytest.fixture(autouse=True)
def _all_is_logged(caplog):
    caplog.set_level(logging.DEBUG, "callback_client")


@pytest.fixture
def listener():
    with FakeListener() as fake:
        yield fake


@pytest.fixture
def sender(listener):
    with Sender(listener.url, timeout=5, linger=5) as one:
        yield one


def busy_first(times, status=503, **headers):
    """Refuses so many requests before it takes any."""
    left = [Reply(status, headers)] * times
    return lambda _task, _state: left.pop() if left else Reply()


def until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def check_that_nobody_waits(calls):
    took = []
    for call in calls:
        before = time.monotonic()
        call()
        took.append(time.monotonic() - before)
    took.sort()
    assert took[len(took) * 9 // 10] < AT_ONCE
    assert took[-1] < BUSY_MACHINE


def test_states_are_told_in_order_over_one_connection(listener, sender):
    for state in STATES:
        assert sender.send("job-1", state)
    assert sender.flush(10)
    listener.until_told(*[("job-1", state) for state in STATES])
    assert listener.connections == 1
    assert sender.counts == (4, 0, 0, 0)


def test_a_callback_is_what_tes_says_it_is(listener, sender):
    sender.send("ä/1", "RUNNING")
    listener.until_told(("ä/1", "RUNNING"))
    headers = listener.heard[0].headers
    assert headers[":path"] == f"/callbacks/{TOKEN}"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("tes-callback-client/")
    assert "authorization" not in headers
    assert "webhook-signature" not in headers


def test_sending_waits_for_nobody_while_the_listener_hangs(listener, sender):
    listener.hang()
    calls = [lambda n=n: sender.send(f"job-{n % 50}", STATES[n % 4]) for n in range(2000)]
    check_that_nobody_waits(calls)
    assert listener.told == []
    listener.release()
    assert sender.flush(30)
    for n in range(50):
        assert listener.states(f"job-{n}")[-1] == STATES[(1950 + n) % 4]


def test_sending_waits_for_nobody_where_all_that_may_wait_does(listener):
    listener.hang()
    with Sender(listener.url, capacity=10_000, linger=0) as sender:
        calls = [lambda n=n: sender.send(f"job-{n}", "RUNNING") for n in range(12_000)]
        ends = [lambda n=n: sender.send(f"end-{n}", "COMPLETE") for n in range(2_000)]
        check_that_nobody_waits([*calls, *ends])
        # And one is on its way.
        assert sender.counts.waiting in (10_000, 10_001)


def test_thousands_of_states_of_hundreds_of_tasks_arrive_in_order(listener, sender):
    for state in STATES:
        for n in range(500):
            assert sender.send(f"job-{n}", state)
    assert sender.flush(60)
    assert len(listener.told) == 2000
    for n in range(500):
        assert listener.states(f"job-{n}") == STATES


def test_several_threads_share_a_sender(listener, sender):
    def send_all(task):
        for state in STATES:
            sender.send(task, state)

    threads = [threading.Thread(target=send_all, args=(f"job-{n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sender.flush(30)
    for n in range(20):
        assert listener.states(f"job-{n}") == STATES


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_refusal_that_may_pass_is_tried_again(listener, sender, status):
    listener.reply = busy_first(2, status)
    sender.send("job-1", "RUNNING")
    sender.send("job-1", "COMPLETE")
    assert sender.flush(10)
    listener.until_told(("job-1", "RUNNING"), ("job-1", "COMPLETE"))
    assert [one.status for one in listener.heard] == [status, status, 204, 204]


def test_it_comes_back_after_what_retry_after_says(listener, sender):
    listener.reply = busy_first(1, **{"Retry-After": "2"})
    before = time.monotonic()
    sender.send("job-1", "RUNNING")
    assert sender.flush(10)
    assert time.monotonic() - before >= 2


def test_a_listener_that_is_away_is_told_when_it_is_there(listener, sender, caplog):
    listener.stop()
    for state in STATES:
        assert sender.send("job-1", state)
    assert not sender.flush(1)
    listener.start()
    assert sender.flush(10)
    listener.until_told(*[("job-1", state) for state in STATES])
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == 1, "once, however often it was noticed"
    assert "Connection refused" in warnings[0].getMessage()
    assert f"sender.resumed: {listener.origin}" in caplog.text


def test_a_listener_that_dies_and_comes_back_again_and_again_misses_nothing(listener, sender):
    tasks = [f"job-{n}" for n in range(100)]
    ended = threading.Event()

    def die_and_come_back():
        while not ended.wait(0.1):
            listener.stop()
            listener.start()

    trouble = threading.Thread(target=die_and_come_back)
    trouble.start()
    try:
        for state in STATES:
            for task in tasks:
                assert sender.send(task, state)
                time.sleep(0.002)
    finally:
        ended.set()
        trouble.join()
    assert sender.flush(60)
    assert sender.counts == (400, 0, 0, 0)
    for task in tasks:
        heard = listener.states(task)
        # At least once: an answer may have been lost, and a repeat changes nothing.
        assert [s for n, s in enumerate(heard) if n == 0 or heard[n - 1] != s] == STATES


def test_a_listener_that_hangs_is_given_up_and_tried_again(listener, caplog):
    listener.hang()
    with Sender(listener.url, timeout=0.2, linger=10) as sender:
        sender.send("job-1", "RUNNING")
        until(lambda: "timed out" in caplog.text)
        listener.release()
        assert sender.flush(10)
    # The listener may have taken the one that it was slow with, too.
    assert set(listener.told) == {("job-1", "RUNNING")}


def test_an_answer_that_never_ends_is_an_answer(listener):
    endless = {"Transfer-Encoding": "chunked"}
    listener.reply = lambda _task, _state: Reply(200, endless)
    with Sender(listener.url, timeout=0.3) as sender:
        sender.send("job-1", "RUNNING")
        sender.send("job-1", "COMPLETE")
    assert listener.told == [("job-1", "RUNNING"), ("job-1", "COMPLETE")]


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 413, 415, 422])
def test_what_cannot_get_better_is_given_up_and_said(listener, sender, caplog, status):
    def reply(_task, state):
        detail = b'{"detail": "no state of\\nTES"}'
        elsewhere = {"Location": listener.url}
        return Reply(status, elsewhere, detail) if state == "DONE" else Reply()

    listener.reply = reply
    sender.send("job-1", "RUNNING")
    sender.send("job-1", "DONE")
    sender.send("job-1", "COMPLETE")
    assert sender.flush(10)
    listener.until_told(("job-1", "RUNNING"), ("job-1", "COMPLETE"))
    assert len(listener.heard) == 3
    assert sender.counts == (2, 0, 1, 0)
    (said,) = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert said.startswith(f"sender.gave_up: {listener.origin}: {status} ")
    assert said.endswith(": no state of TES: job-1 DONE")


def test_a_task_that_cannot_be_told_holds_up_no_other(listener):
    listener.reply = lambda task, _state: Reply(500 if task == "bad" else 204)
    with Sender(listener.url, linger=0.5) as sender:
        for state in STATES:
            sender.send("bad", state)
            sender.send("job-1", state)
        listener.until(lambda: len(listener.told) == 4)
        assert listener.states("job-1") == STATES


def test_too_much_is_thinned_out_first_and_what_is_given_up_is_named(listener, caplog):
    listener.hang()
    with Sender(listener.url, capacity=3, linger=10) as sender:
        sender.send("job-0", "RUNNING")
        time.sleep(0.2)  # it is on its way
        for state in STATES:
            assert sender.send("job-1", state)
        assert sender.send("job-2", "QUEUED")
        assert sender.send("job-3", "QUEUED")
        assert sender.counts == (0, 3, 0, 4)
        assert not sender.send("job-4", "QUEUED")
        assert sender.send("job-4", "CANCELED")
        assert sender.counts == (0, 3, 2, 4)
        listener.release()
        assert sender.flush(10)
        assert sender.counts == (4, 3, 2, 0)
        assert not sender.close()
    assert listener.told[1:] == [
        ("job-1", "COMPLETE"),
        ("job-3", "QUEUED"),
        ("job-4", "CANCELED"),
    ]
    for said in ("job-4 QUEUED", "job-2 QUEUED"):
        assert f"sender.gave_up: {listener.origin}: too much waits: {said}" in caplog.text


def test_a_repeat_in_a_row_is_told_once(listener):
    """TESK says that a task is queued for each of its executors."""
    listener.hang()
    with Sender(listener.url) as sender:
        for state in ["INITIALIZING", "QUEUED", "QUEUED", "RUNNING", "QUEUED", "RUNNING"]:
            assert sender.send("job-1", state)
        listener.release()
    told = [state for _, state in listener.told]
    assert told == ["INITIALIZING", "QUEUED", "RUNNING", "QUEUED", "RUNNING"]


def test_closing_tells_what_waits(listener):
    sender = Sender(listener.url)
    for state in STATES:
        sender.send("job-1", state)
    assert sender.close()
    assert listener.states("job-1") == STATES
    assert sender.close()


def test_closing_takes_no_longer_than_it_was_given(listener, caplog):
    listener.hang()
    sender = Sender(listener.url)
    for task in ("job-1", "job-2"):
        sender.send(task, "RUNNING")
        sender.send(task, "COMPLETE")
    before = time.monotonic()
    assert not sender.close(0.5)
    assert 0.4 < time.monotonic() - before < 0.5 + BUSY_MACHINE
    assert sender.counts == (0, 0, 4, 0)
    for said in ("job-1 RUNNING", "job-1 COMPLETE", "job-2 RUNNING", "job-2 COMPLETE"):
        assert said in caplog.text


def test_closing_tries_at_once_however_long_it_would_have_waited(listener, caplog):
    listener.reply = busy_first(2, **{"Retry-After": "60"})
    sender = Sender(listener.url)
    sender.send("job-1", "COMPLETE")
    until(lambda: "sender.interrupted" in caplog.text)
    assert sender.close(5)
    assert listener.told == [("job-1", "COMPLETE")]


def test_what_is_sent_after_the_end_is_not_told_and_said(listener, caplog):
    sender = Sender(listener.url)
    sender.close()
    assert not sender.send("job-1", "COMPLETE")
    assert sender.counts == (0, 0, 1, 0)
    assert f"sender.gave_up: {listener.origin}: closed: job-1 COMPLETE" in caplog.text
    assert not sender.close()


def test_a_sender_that_nobody_has_any_more_tells_all_and_leaves_no_thread(listener):
    before = threading.active_count()
    listener.hang()
    for n in range(5):
        Sender(listener.url).send(f"job-{n}", "COMPLETE")
    assert threading.active_count() >= before + 5
    listener.release()
    listener.until(lambda: len(listener.told) == 5)
    until(lambda: "callback-sender" not in [one.name for one in threading.enumerate()])


def test_a_sender_that_says_nothing_has_no_thread(listener):
    before = threading.active_count()
    with Sender(listener.url):
        assert threading.active_count() == before
    assert listener.connections == 0


def test_signatures_are_those_that_verify_trusts(listener):
    listener.reply = busy_first(1)
    with Sender(listener.url, SECRET) as sender:
        sender.send("job-1", "RUNNING")
        sender.send("job-1", "COMPLETE")
    for heard in listener.heard:
        said = verify(heard.headers, heard.body, SECRET)
        assert said == {"id": heard.task, "state": heard.state}
    ids = [heard.headers["webhook-id"] for heard in listener.heard]
    assert ids[0] == ids[1] != ids[2], "a repeat bears the same id"


def test_the_url_and_the_secret_are_shown_nowhere(listener, caplog):
    answers = [
        Reply(503),
        Reply(404, {}, f'{{"detail": "no /callbacks/{TOKEN} here"}}'.encode()),
    ]
    listener.reply = lambda _task, _state: answers.pop(0)
    sender = Sender(listener.url, SECRET)
    sender.send("job-1", "RUNNING")
    sender.flush(10)
    listener.stop()
    sender.send("job-1", "COMPLETE")
    sender.close(0.5)
    ours = "\n".join(
        one.getMessage() for one in caplog.records if one.name.startswith("callback_client")
    )
    assert "404" in ours
    assert "not told in time" in ours
    assert TOKEN not in ours + repr(sender)
    assert SECRET not in ours + repr(sender)


def test_no_password_is_shown_to_listeners(listener, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Sender(listener.url) as sender:
        sender.send("job-1", "RUNNING")
    assert "authorization" not in listener.heard[0].headers


@pytest.mark.parametrize(
    "url", ["", "job-1", "ftp://127.0.0.1/x", "http://", "http://me:you@127.0.0.1/x", "http://[/x"]
)
def test_a_url_that_nothing_can_be_posted_to_is_refused(url):
    with pytest.raises(ValueError, match=r"URL|IPv6"):
        Sender(url)


@pytest.mark.parametrize(
    "wrong", [{"secret": ""}, {"secret": "whsec_"}, {"capacity": 0}, {"timeout": 0}]
)
def test_what_cannot_work_is_refused_at_once(wrong):
    with pytest.raises(ValueError, match=r"secret|state|time"):
        Sender("http://127.0.0.1/x", **wrong)


class State(str, enum.Enum):
    RUNNING = "RUNNING"


def test_states_may_be_of_an_enum_of_text(listener, sender):
    sender.send("job-1", State.RUNNING)
    listener.until_told(("job-1", "RUNNING"))


@pytest.mark.parametrize("given", [("", "RUNNING"), ("job-1", ""), (1, "RUNNING"), ("a", None)])
def test_what_is_no_task_or_no_state_is_a_mistake(sender, given):
    with pytest.raises((TypeError, ValueError), match=r"task id|state"):
        sender.send(*given)


def test_the_longer_a_listener_is_away_the_seldomer_it_is_tried():
    delays = [delay_after(failures, None, 1) for failures in range(1, 12)]
    assert delays[:4] == [0.25, 0.5, 1, 2]
    assert delays == sorted(delays)
    assert delays[-1] == delay_after(10_000, None, 1) == LONGEST_DELAY
    assert delay_after(3, None, 0) == 0.5
    assert delay_after(1, 7, 0.5) == 7
    assert delay_after(1, 86400, 0.5) == LONGEST_RETRY_AFTER


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_tells_its_own_and_nothing_twice(listener):
    listener.hang()
    with Sender(listener.url, linger=20) as sender:
        sender.send("of-the-parent", "RUNNING")
        sender.send("of-the-parent", "COMPLETE")
        child = os.fork()
        if not child:
            # Whatever happens here must not go on with the tests.
            try:
                clean = sender.counts == (0, 0, 0, 0)
                sender.send("of-the-child", "RUNNING")
                sender.send("of-the-child", "COMPLETE")
                os._exit(0 if clean and sender.close(20) else 1)
            finally:
                os._exit(2)
        listener.release()
        _, status = os.waitpid(child, 0)
        assert os.WEXITSTATUS(status) == 0
    for task in ("of-the-parent", "of-the-child"):
        assert listener.states(task) == ["RUNNING", "COMPLETE"]
