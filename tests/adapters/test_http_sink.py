"""What a delivery says, and what the answer is taken for."""

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from callback_service import __version__
from callback_service.adapters.http_sink.answers import BODY_LIMIT, retry_after
from callback_service.domain.capability import Capability, new_secret
from callback_service.domain.delivery import Verdict
from callback_service.domain.retry import MAX_RETRY_AFTER
from callback_service.domain.run import Failing
from callback_service.domain.sink import Format, HttpSink, WesSink
from tests.adapters.receivers import NOW, a_run, an_item, deliver, in_loop, receiver, sender

RUN_STATES = ("RUNNING", "SYSTEM_ERROR")


@pytest.mark.parametrize(
    ("sink_format", "content_type"),
    [
        (Format.BATCH, "application/json"),
        (Format.TES, "application/json"),
        (Format.CLOUDEVENTS, "application/cloudevents+json"),
    ],
)
@in_loop
async def test_every_format_arrives_as_json_that_every_valid_secret_verifies(
    sink_format, content_type
):
    secrets = [new_secret(), new_secret()]
    run = a_run(secrets=tuple(map(Capability, secrets)))
    async with receiver() as heard, sender() as sending:
        sink = HttpSink(heard.url, sink_format)
        answer = await sending.send(run, sink, "msg_1", [an_item()], datetime.now(UTC))
    assert (answer.verdict, answer.error) == (Verdict.TOLD, None)
    headers = dict(heard.requests[0].headers)
    assert headers["Content-Type"] == content_type
    assert headers["User-Agent"] == f"tes-callback-service/{__version__}"
    for secret in secrets:
        assert "COMPLETE" in str(Webhook(secret).verify(heard.bodies[0], headers))


@in_loop
async def test_the_sinks_own_headers_are_sent_but_replace_none_of_ours():
    own = {"Authorization": "Bearer x", "WEBHOOK-ID": "msg_2", "content-type": "text/plain"}
    async with receiver() as heard, sender() as sending:
        await deliver(sending, heard.url, headers=own)
    headers = heard.requests[0].headers
    assert headers["Authorization"] == "Bearer x"
    assert headers.getall("webhook-id") == ["msg_1"]
    assert headers.getall("Content-Type") == ["application/json"]


@in_loop
async def test_cookies_are_not_kept():
    cookie = web.Response(status=204, headers={"Set-Cookie": "a=b; Path=/"})
    async with receiver(cookie, host="localhost") as heard, sender() as sending:
        await deliver(sending, heard.url)
        await deliver(sending, heard.url)
    assert len(heard.requests) == 2
    assert "Cookie" not in heard.requests[1].headers


@in_loop
async def test_deliveries_to_one_receiver_share_a_connection():
    async with receiver() as heard, sender() as sending:
        for _ in range(3):
            await deliver(sending, heard.url)
        transports = {id(request.transport) for request in heard.requests}
    assert len(transports) == 1


@in_loop
async def test_410_is_handed_on_as_gone():
    async with receiver(web.Response(status=410)) as heard, sender() as sending:
        answer = await deliver(sending, heard.url)
    assert (answer.verdict, answer.describe()) == (Verdict.GONE, "answered 410")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@in_loop
async def test_redirects_are_refused_and_their_target_sees_nothing(status):
    async with receiver() as target, sender() as sending:
        moved = web.Response(status=status, headers={"Location": target.url})
        async with receiver(moved) as heard:
            answer = await deliver(sending, heard.url)
    assert (answer.status, answer.verdict) == (status, Verdict.REFUSED)
    assert answer.describe() == f"answered {status}; redirects are not followed"
    assert not target.requests


@in_loop
async def test_the_time_that_a_receiver_asks_for_is_handed_on():
    busy = web.Response(status=503, headers={"Retry-After": "120"}, text="later")
    async with receiver(busy) as heard, sender() as sending:
        answer = await deliver(sending, heard.url)
    assert (answer.status, answer.verdict) == (503, Verdict.RETRY)
    assert answer.retry_after == timedelta(seconds=120)
    assert answer.body == "later"
    assert answer.latency > 0


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("0", timedelta()),
        (" 7 ", timedelta(seconds=7)),
        ("9" * 5000, MAX_RETRY_AFTER),
        ("Fri, 02 Jan 2026 03:05:35 GMT", timedelta(seconds=90)),
        ("Friday, 02-Jan-26 03:05:35 GMT", timedelta(seconds=90)),
        ("Fri, 02 Jan 2026 04:05:35 +0100", timedelta(seconds=90)),
        # Without a time zone it can only be meant as UTC.
        ("Fri, 02 Jan 2026 03:05:35 -0000", timedelta(seconds=90)),
        ("Fri Jan  2 03:05:35 2026", timedelta(seconds=90)),
        ("Fri, 02 Jan 2026 03:04:04 GMT", timedelta()),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(header, wait):
    assert retry_after(header, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == wait


@given(header=st.text(max_size=40))
def test_no_retry_after_breaks_a_delivery(header):
    wait = retry_after(header, NOW)
    assert wait is None or timedelta() <= wait <= MAX_RETRY_AFTER


@in_loop
async def test_the_start_of_a_long_answer_is_kept():
    long = web.Response(status=500, body=b"x" * 1_000_000)
    async with receiver(long) as heard, sender() as sending:
        answer = await deliver(sending, heard.url)
    assert (answer.status, answer.body) == (500, "x" * BODY_LIMIT)


@in_loop
async def test_a_packed_answer_is_not_unpacked():
    bomb = web.Response(status=500, body=b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"})
    async with receiver(bomb) as heard, sender() as sending:
        answer = await deliver(sending, heard.url, headers={"Accept-Encoding": "gzip"})
    assert (answer.status, answer.error, answer.body) == (500, None, "")


@in_loop
async def test_an_answer_that_is_no_text_is_kept_as_far_as_it_is():
    async with receiver(web.Response(status=500, body=b"no \xff")) as heard, sender() as sending:
        answer = await deliver(sending, heard.url)
    assert answer.body == "no \ufffd"


@in_loop
async def test_a_wes_is_posted_to_below_its_base_signed_and_with_its_headers():
    secret = new_secret()
    now = datetime.now(UTC)
    run, failing = a_run(secrets=(Capability(secret),)), Failing("operator", now, "killed")
    async with receiver() as heard, sender() as sending:
        base = heard.url.replace("/hook", "/ga4gh/wes/v1")
        sink = WesSink(base, "A/1", {"Authorization": "Bearer x"})
        told = await sending.send(run, sink, "msg_1", [an_item()], now)
        failed = await sending.fail(run, sink, "msg_2", failing, now)
    assert told.verdict is failed.verdict is Verdict.TOLD
    for request, body, state in zip(heard.requests, heard.bodies, RUN_STATES, strict=True):
        assert request.raw_path == "/ga4gh/wes/v1/runs/A%2F1/status"
        headers = dict(request.headers)
        assert headers["Authorization"] == "Bearer x"
        assert Webhook(secret).verify(body, headers)["state"] == state


@in_loop
async def test_a_webhook_has_no_run_that_could_fail():
    failing = Failing("operator", NOW, "killed")
    async with receiver() as heard, sender() as sending:
        answer = await sending.fail(a_run(), HttpSink(heard.url), "msg_1", failing, NOW)
    assert answer.error == "the service failed to send it"
    assert heard.requests == []
