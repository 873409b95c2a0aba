"""Where deliveries may go, tried with real connections: loopback stands for what is not public."""

import socket

import pytest
from aiohttp import web

from callback_service.adapters.http_sink.egress import RefusedAddress, guarded_socket
from callback_service.domain.addresses import AddressPolicy
from tests.adapters.receivers import LOOPBACK, deliver, in_loop, receiver, sender

NOTHING_ALLOWED = AddressPolicy()
ALL_ALLOWED = AddressPolicy(("0.0.0.0/0", "::/0"))


def resolving(*answers):
    """A resolver that gives one list of addresses after the other, the last for ever."""
    left = list(answers)

    def lookup(host, port, **_):
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port)) for name in addresses]

    return lookup


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "localhost",
    ],
)
@in_loop
async def test_an_address_that_is_not_public_is_refused_however_it_is_written(host):
    async with receiver() as heard, sender(NOTHING_ALLOWED) as sending:
        answer = await deliver(sending, heard.url.replace("127.0.0.1", host))
    assert answer.status is None
    assert answer.error
    assert not heard.requests


@in_loop
async def test_a_refusal_names_the_address_and_the_setting():
    async with sender(NOTHING_ALLOWED, lookup=resolving(["10.1.2.3"])) as sending:
        named = await deliver(sending, "http://intranet.example/")
        literal = await deliver(sending, "http://10.1.2.3/")
    assert named.error == literal.error
    assert literal.error == (
        "10.1.2.3 is not a public address, and its range is not in `egress.allow`"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]", "localhost"])
@in_loop
async def test_an_allowed_address_is_reached_however_it_is_written(host):
    async with receiver() as heard, sender(LOOPBACK) as sending:
        answer = await deliver(sending, heard.url.replace("127.0.0.1", host))
    assert answer.status == 204


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
    ],
)
@in_loop
async def test_link_local_and_metadata_addresses_are_refused_where_all_is_allowed(host):
    async with sender(ALL_ALLOWED) as sending:
        answer = await deliver(sending, f"http://{host}/latest/meta-data/")
    assert "never allowed" in (answer.error or "")


@in_loop
async def test_a_name_that_means_a_metadata_address_is_refused_where_all_is_allowed():
    async with sender(ALL_ALLOWED, lookup=resolving(["169.254.169.254"])) as sending:
        answer = await deliver(sending, "http://metadata.example/")
    assert "never allowed" in (answer.error or "")


@in_loop
async def test_a_name_that_means_another_address_the_second_time_is_refused_then():
    # 127.0.0.2 stands for the public address: the only one that this policy lets pass.
    policy = AddressPolicy(("127.0.0.2/32",))
    rebinding = resolving(["127.0.0.2"], ["127.0.0.1"])
    hanging_up = web.Response(status=204, headers={"Connection": "close"})
    async with (
        receiver(hanging_up, host="127.0.0.2") as heard,
        sender(policy, lookup=rebinding) as sending,
    ):
        url = heard.url.replace("127.0.0.2", "rebinding.example")
        first = await deliver(sending, url)
        # At another port, for what a port's name means is remembered for some seconds.
        second = await deliver(sending, "http://rebinding.example:9/")
    assert first.status == 204
    assert "127.0.0.1 is not a public address" in (second.error or "")


def test_whatever_a_resolver_lets_through_is_refused_where_the_socket_is_made():
    to = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with pytest.raises(RefusedAddress, match=r"127\.0\.0\.1 is not a public address"):
        guarded_socket(NOTHING_ALLOWED, 1.0, to)
    guarded_socket(LOOPBACK, 1.0, to).close()


@in_loop
async def test_what_was_resolved_is_what_is_connected_to():
    lookups = []

    def counting(host, port, **_):
        lookups.append(host)
        address = "127.0.0.2" if len(lookups) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    policy = AddressPolicy(("127.0.0.2/32",))
    async with receiver(host="127.0.0.2") as heard, sender(policy, lookup=counting) as sending:
        url = heard.url.replace("127.0.0.2", "rebinding.example")
        answer = await deliver(sending, url)
    assert answer.status == 204
    assert lookups == ["rebinding.example"]


@in_loop
async def test_of_a_names_addresses_only_those_are_tried_that_are_allowed():
    policy = AddressPolicy(("127.0.0.2/32",))
    mixed = resolving(["127.0.0.1", "127.0.0.2"])
    async with (
        receiver(host="127.0.0.1") as refused,
        sender(policy, lookup=mixed) as sending,
    ):
        answer = await deliver(sending, refused.url.replace("127.0.0.1", "mixed.example"))
    assert "connection refused" in (answer.error or "")
    assert not refused.requests


@in_loop
async def test_proxies_named_in_the_environment_are_not_used(monkeypatch):
    async with receiver() as proxy, receiver() as heard, sender() as sending:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        answer = await deliver(sending, heard.url)
    assert answer.status == 204
    assert not proxy.requests
