"""Where servers are looked for, and what is said when they are not there."""

import socket
import threading
import time
from typing import Any

import pytest

from callback_service.adapters.tes_server.lookup import Lookup
from callback_service.domain.errors import ServerFailed
from callback_service.domain.server import Server
from tests.adapters.tes_talkers import OK, READ, Line, always, asking, outcome, talker
from tests.fakes.clock import START
from tests.ports import free_port


def test_a_server_that_is_not_there():
    port = free_port()
    with asking() as servers:
        failure = outcome(servers, Server("tes-1", f"http://127.0.0.1:{port}", START))
    assert str(failure) == f"the TES server tes-1 refuses connections at 127.0.0.1:{port}"
    assert isinstance(failure, ServerFailed)
    assert not failure.is_late


@pytest.mark.parametrize("host", ["tes.invalid", "a..b", f"{'a' * 64}.example"])
def test_a_name_that_does_not_resolve(host: str):
    with asking() as servers:
        failure = outcome(servers, Server("tes-1", f"http://{host}:8000", START))
    assert str(failure) == (
        f"the TES server tes-1 cannot be found: its host name {host} does not resolve"
    )


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1]", "[fe80::1%25lo]", "[::ffff:169.254.0.9]", "metadata.test"],
)
def test_link_local_and_metadata_addresses_are_never_asked(host: str):
    def resolve(*_args: Any, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]

    with asking(resolve=resolve) as servers:
        failure = outcome(servers, Server("tes-1", f"http://{host}/v1", START))
    assert "cannot be asked: " in str(failure)
    assert "link-local or metadata address, which is never allowed" in str(failure)


def test_private_addresses_are_as_good_as_any():
    with talker(always(OK)) as told, asking() as servers:
        assert servers.ask(told.server, READ).status == 200


def test_an_ipv6_address_in_the_url():
    with talker(always(OK), host="::1") as told, asking() as servers:
        assert servers.ask(told.server, READ).status == 200
    assert f"Host: {told.url.split('/')[2]}\r\n".encode() in told.requests[0]


def test_the_next_address_is_tried():
    def resolve(_host: str, port: int, **_options: Any) -> list[Any]:
        # Nobody listens at the first, and the second is refused.
        addresses = ["127.0.0.9", "169.254.1.1", "127.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in addresses]

    with talker(always(OK), name="tes.test") as told, asking(resolve=resolve) as servers:
        assert servers.ask(told.server, READ).status == 200


def test_a_name_is_looked_up_once_for_all_who_want_it():
    """One name that nobody answers for takes one thread, however many ask for it."""
    lookups = []
    answered = threading.Event()

    def resolve(_host: str, port: int, **_options: Any) -> list[Any]:
        lookups.append(port)
        answered.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    lookup = Lookup(resolve)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            lookup.addresses("tes.test", 80, 0.05)
    answered.set()
    assert lookup.addresses("tes.test", 80, 10) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert len(lookups) <= 2
    lookup.close()


def test_one_server_cannot_take_up_the_whole_process():
    go_on = threading.Event()

    def talk(line: Line) -> None:
        line.request()
        go_on.wait(5)
        line.send(OK)

    with talker(talk) as busy, talker(always(OK)) as idle, asking(per_server=2) as servers:
        threads = [threading.Thread(target=servers.ask, args=(busy.server, READ)) for _ in "12"]
        for thread in threads:
            thread.start()
        while len(busy.requests) < 2:
            time.sleep(0.001)
        failure = outcome(servers, busy.server)
        assert "too many requests under way" in str(failure)
        other = Server("tes-2", idle.url, START)
        assert servers.ask(other, READ).status == 200
        go_on.set()
        for thread in threads:
            thread.join()
        assert servers.ask(busy.server, READ).status == 200
