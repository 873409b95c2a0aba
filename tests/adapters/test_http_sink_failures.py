"""Whatever goes wrong out there is an answer that names the cause, in time and in bounds."""

import asyncio
import ssl
import sys
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from callback_service.adapters.http_sink import HttpSender
from callback_service.adapters.http_sink.answers import BODY_LIMIT
from callback_service.adapters.http_sink.bodies import body_of
from callback_service.domain.delivery import Verdict
from callback_service.domain.sink import Format, HttpSink, NoSink
from tests.adapters.receivers import (
    LOOPBACK,
    NOW,
    a_run,
    an_item,
    deliver,
    in_loop,
    read_request,
    receiver,
    saying,
    sender,
    talker,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SHORT = 0.3
SOON = 2.0
# More than the buffers of both sides take.
MANY_ITEMS = [an_item("t" * 500, seq) for seq in range(1, 20_000)]


async def answer_of(talk, **options):
    async with talker(talk) as url, sender(**options) as sending:
        return await deliver(sending, url)


@in_loop
async def test_a_port_where_nobody_listens():
    async with talker(saying(OK)) as url:
        pass
    async with sender() as sending:
        answer = await deliver(sending, url)
    port = url.split(":")[2].removesuffix("/hook")
    assert answer.error == f"no connection to 127.0.0.1:{port} (connection refused)"
    assert answer.verdict is Verdict.RETRY


@in_loop
async def test_a_name_that_does_not_resolve():
    async with sender(connect_timeout=30, total_timeout=60) as sending:
        answer = await deliver(sending, "http://no-such-host.invalid/hook")
    assert answer.error == "the host name no-such-host.invalid does not resolve"


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", ".", "%00", "xn--"])
@in_loop
async def test_a_host_that_is_no_name(host):
    async with sender(connect_timeout=30, total_timeout=60) as sending:
        answer = await deliver(sending, f"http://{host}/hook")
    assert answer.status is None
    assert answer.error


@in_loop
async def test_a_name_server_that_does_not_answer_holds_up_no_other_delivery():
    def stuck(host, port, **_):
        if host == "stuck.example":
            time.sleep(2 * SHORT)
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    async with receiver() as heard, sender(connect_timeout=SHORT, lookup=stuck) as sending:
        others = [deliver(sending, f"http://stuck.example:{port}/") for port in range(1, 21)]
        *stalled, served = await asyncio.gather(
            *others, deliver(sending, heard.url.replace("127.0.0.1", "fine.example"))
        )
    assert {answer.error for answer in stalled} == {"no connection could be made in time"}
    assert served.status == 204
    assert served.latency < SHORT


@in_loop
async def test_a_receiver_that_never_answers_is_given_up():
    async def stall(reader, _):
        await reader.read()

    answer = await answer_of(stall, total_timeout=SHORT)
    assert answer.error == "no answer came in time"
    assert SHORT <= answer.latency < SOON


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets go of it by itself")
@pytest.mark.filterwarnings("ignore:Sending a large body")
@in_loop
async def test_a_receiver_that_does_not_even_read_is_given_up_and_so_is_what_it_did_not_read():
    read = []

    async def deaf(reader, _):
        await asyncio.sleep(2)
        while chunk := await reader.read(2**20):
            read.append(len(chunk))

    async with talker(deaf) as url, sender(total_timeout=SHORT) as sending:
        answer = await sending.send(a_run(), HttpSink(url), "msg_1", MANY_ITEMS, NOW)
        await asyncio.sleep(3)
    assert answer.error == "no answer came in time"
    assert answer.latency < SOON
    assert sum(read) < len(body_of(Format.BATCH, a_run(), MANY_ITEMS).text)


@pytest.mark.filterwarnings("ignore:Sending a large body")
@in_loop
async def test_an_answer_that_comes_before_the_body_was_read_counts_and_is_not_waited_behind():
    talks = []

    async def refusing(reader, writer):
        talks.append(writer)
        writer.transport.pause_reading()
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(60)

    async with talker(refusing) as url, sender() as sending:
        for _ in range(2):
            answer = await sending.send(a_run(), HttpSink(url), "msg_1", MANY_ITEMS, NOW)
            assert (answer.status, answer.error) == (413, None)
            assert answer.latency < SOON
    # Half a request was written on the first connection: nothing else may follow it there.
    assert len(talks) == 2


@pytest.mark.parametrize(
    "drip", [b"H", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
@in_loop
async def test_a_head_that_drips_is_given_up(drip):
    async def dripping(reader, writer):
        await read_request(reader)
        writer.write(drip)
        while True:
            await writer.drain()
            await asyncio.sleep(SHORT / 10)
            writer.write(drip if drip.endswith(b"\n") else b"a")

    answer = await answer_of(dripping, total_timeout=SHORT)
    assert answer.status is None
    assert answer.latency < SOON


@in_loop
async def test_a_body_that_drips_is_given_up_but_the_status_counts():
    async def dripping(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\nRetry-After: 9\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(SHORT / 10)

    answer = await answer_of(dripping, total_timeout=SHORT)
    assert (answer.status, answer.error) == (503, None)
    assert answer.retry_after == timedelta(seconds=9)
    assert set(answer.body) == {"x"}
    assert answer.latency < SOON


@in_loop
async def test_an_endless_body_is_cut_off_at_once_and_takes_no_memory():
    cut_off = asyncio.Event()

    async def endless(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            cut_off.set()

    async with talker(endless) as url, sender() as sending:
        tracemalloc.start()
        answer = await deliver(sending, url)
        await asyncio.wait_for(cut_off.wait(), SOON)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (answer.status, answer.body) == (200, "x" * BODY_LIMIT)
    assert answer.latency < SOON
    assert peak < 8_000_000


@in_loop
async def test_a_reset_before_the_answer():
    async def reset(reader, writer):
        await read_request(reader)
        writer.transport.abort()

    answer = await answer_of(reset)
    assert answer.error == "the connection was closed before an answer came"


@in_loop
async def test_a_reset_in_the_middle_of_the_head():
    answer = await answer_of(saying(b"HTTP/1.1 200 OK\r\nContent-"))
    assert answer.error == "the connection was closed before an answer came"


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 10\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
@in_loop
async def test_a_status_counts_even_if_its_body_breaks_off(body):
    answer = await answer_of(saying(b"HTTP/1.1 200 OK\r\n" + body))
    assert (answer.status, answer.error) == (200, None)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\xff\x16\x03\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * 10_000 + b"\r\n",
    ],
)
@in_loop
async def test_an_answer_that_is_not_http(garbage):
    answer = await answer_of(saying(garbage))
    assert answer.error == "the answer is not valid HTTP"
    assert answer.verdict is Verdict.RETRY


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://127.0.0.1/",
        "http://",
        "http:///hook",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://[::1/",
        "http://a\\b/",
    ],
)
@in_loop
async def test_a_url_that_cannot_be_posted_to(url):
    async with sender() as sending:
        answer = await deliver(sending, url)
    assert answer.error
    assert answer.error.startswith("the URL cannot be used (")


@in_loop
async def test_a_url_or_header_smuggles_nothing_into_the_request():
    async with receiver() as heard, sender() as sending:
        await deliver(sending, heard.url + "\r\nX-Injected: 1")
        refused = await deliver(sending, heard.url, headers={"X-A": "1\r\nX-Injected: 1"})
    assert refused.error == "the request cannot be made from this URL and these headers"
    assert all("X-Injected" not in request.headers for request in heard.requests)


@in_loop
async def test_a_connection_that_the_server_closed_in_the_meantime_is_no_failure():
    requests = []

    async def closing(reader, writer):
        """Answers the first request of a connection, and closes when the second has come."""
        await read_request(reader)
        requests.append(writer)
        writer.write(OK)
        await read_request(reader)
        writer.transport.abort()

    async with talker(closing) as url, sender() as sending:
        answers = [await deliver(sending, url) for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 4
    assert len(requests) == 4


@in_loop
async def test_a_fresh_connection_that_is_closed_is_not_tried_again():
    tries = []

    async def closing(reader, writer):
        tries.append(writer)
        await read_request(reader)

    answer = await answer_of(closing)
    assert answer.error == "the connection was closed before an answer came"
    assert len(tries) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    host = x509.SubjectAlternativeName([x509.DNSName("receiver.example")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(host, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def lookup(_, port, **__):
    return [(2, 1, 6, "", ("127.0.0.1", port))]


@in_loop
async def test_a_certificate_that_nobody_vouches_for(tls):
    async with receiver(tls=tls) as heard, sender(lookup=lookup) as sending:
        answer = await deliver(sending, heard.url.replace("127.0.0.1", "receiver.example"))
    assert answer.error == "the TLS certificate is not accepted (self-signed certificate)"
    assert not heard.requests


@in_loop
async def test_a_certificate_of_the_operators_own_authority_for_the_right_host_only(
    tls, certificate
):
    trusting = ssl.create_default_context(cafile=certificate)
    async with receiver(tls=tls) as heard, sender(lookup=lookup, tls=trusting) as sending:
        right = await deliver(sending, heard.url.replace("127.0.0.1", "receiver.example"))
        wrong = await deliver(sending, heard.url.replace("127.0.0.1", "other.example"))
    assert right.status == 204
    assert "certificate is not valid for 'other.example'" in (wrong.error or "")


@in_loop
async def test_a_server_that_does_not_speak_tls():
    async def plain(_, writer):
        writer.write(OK)
        await writer.drain()

    async with talker(plain) as url, sender() as sending:
        answer = await deliver(sending, url.replace("http:", "https:"))
    assert (answer.error or "").startswith("the TLS handshake failed (")


@in_loop
async def test_a_tls_handshake_that_never_ends_is_given_up():
    async def stall(reader, _):
        await reader.read()

    async with talker(stall) as url, sender(connect_timeout=SHORT) as sending:
        answer = await deliver(sending, url.replace("http:", "https:"))
    assert answer.error == "no connection could be made in time"
    assert answer.latency < SOON


@in_loop
async def test_a_delivery_that_is_cancelled_is_cancelled():
    async def stall(reader, _):
        await reader.read()

    async with talker(stall) as url, sender() as sending:
        delivery = asyncio.create_task(deliver(sending, url))
        await asyncio.sleep(0.05)
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery


@in_loop
async def test_a_fault_of_our_own_is_an_answer_too(caplog):
    async with sender() as sending:
        answer = await sending.send(a_run(), NoSink(), "msg_1", [an_item()], NOW)
    closed = await HttpSender(LOOPBACK).send(
        a_run(), HttpSink("http://127.0.0.1/"), "msg_1", [an_item()], NOW
    )
    assert answer.error == closed.error == "the service failed to send it"
    assert answer.verdict is Verdict.RETRY
    assert [record.message for record in caplog.records] == ["delivery.broke"] * 2
