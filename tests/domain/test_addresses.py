from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.addresses import METADATA, AddressPolicy
from callback_service.domain.errors import InvalidInput

NOTHING_ALLOWED = AddressPolicy()
ALL_ALLOWED = AddressPolicy(("0.0.0.0/0", "::/0"))
LOOPBACK_ALLOWED = AddressPolicy(("127.0.0.0/8", "::1/128"))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_public_addresses_pass(address):
    assert NOTHING_ALLOWED.refuses(address) is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "0.1.2.3",
        "::1",
        "fd12::1",
        "fec0::1",
        "2001:db8::1",
        "3fff::1",
        "4000::1",
        "64:ff9b:1::a00:1",
    ],
)
def test_an_address_that_is_not_public_is_refused_and_the_setting_named(address):
    assert "`egress.allow`" in (NOTHING_ALLOWED.refuses(address) or "")


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
        "::1%lo",
    ],
)
def test_writing_a_private_address_as_another_does_not_help(address):
    assert NOTHING_ALLOWED.refuses(address)


@given(address=st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_inside_an_ipv6_one(address: IPv4Address):
    number = int(address)
    mapped = IPv6Address(0xFFFF << 32 | number)
    sixtofour = IPv6Address(0x2002 << 112 | number << 80)
    nat64 = IPv6Address(0x64FF9B << 96 | number)
    alone = NOTHING_ALLOWED.refuses(str(address))
    assert {NOTHING_ALLOWED.refuses(str(form)) for form in (mapped, sixtofour, nat64)} == {alone}


@given(address=st.ip_addresses(v=6, network="::/0"))
def test_ipv6_passes_from_the_range_of_hosts_only_or_for_the_ipv4_address_inside(
    address: IPv6Address,
):
    if NOTHING_ALLOWED.refuses(str(address)) is None:
        assert (
            int(address) >> 125 == 1
            or address.ipv4_mapped is not None
            or int(address) >> 32 == 0x64FF9B << 64
        )


def test_an_allowed_range_passes_and_nothing_beside_it():
    policy = AddressPolicy(("10.1.0.0/16",))
    assert policy.refuses("10.1.2.3") is None
    assert policy.refuses("::ffff:10.1.2.3") is None
    assert policy.refuses("10.2.0.1")


@pytest.mark.parametrize(
    "address",
    [
        *sorted(map(str, METADATA)),
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
    ],
)
def test_link_local_and_metadata_addresses_are_refused_whatever_is_allowed(address):
    assert "never allowed" in (ALL_ALLOWED.refuses(address) or "")


@pytest.mark.parametrize("address", ["224.0.0.1", "ff02::1", "0.0.0.0", "::", "::ffff:0.0.0.0"])  # noqa: S104  refused, not bound
def test_what_is_not_one_host_is_refused_whatever_is_allowed(address):
    assert ALL_ALLOWED.refuses(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "::1",
        "::ffff:127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "api.localhost",
    ],
)
def test_a_literal_host_is_judged_however_it_is_written(host):
    with pytest.raises(InvalidInput) as refusal:
        NOTHING_ALLOWED.check_host(host, "sink.url")
    assert refusal.value.field == "sink.url"
    LOOPBACK_ALLOWED.check_host(host, "sink.url")


def test_a_name_is_not_judged_before_it_is_connected_to():
    NOTHING_ALLOWED.check_host("intranet.example", "sink.url")
