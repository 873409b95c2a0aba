from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from callback_service.domain.errors import Unavailable, Unknown
from callback_service.domain.server import Access, Server
from callback_service.relay.gateway.book import LIFE, ServerBook
from callback_service.relay.gateway.breaker import Breaker
from tests.fakes.clock import FakeClock
from tests.fakes.fuse import Fuse
from tests.fakes.store import FakeServers

LITTLE = LIFE.total_seconds() / 10


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def servers():
    return FakeServers()


@pytest.fixture
def book(servers, clock):
    return ServerBook(servers, clock, Breaker(clock))


def register(servers, clock, key, **fields):
    server = Server(key, f"https://{key}.example.org", clock.now(), **fields)
    servers.add(server)
    return server


def test_a_server_can_be_used_as_soon_as_it_is_registered(book, servers, clock):
    register(servers, clock, "first")
    assert book.find("first").key == "first"
    clock.advance(LITTLE)
    register(servers, clock, "second")
    clock.advance(LITTLE)
    assert book.find("second").key == "second"


def test_so_can_the_default_one(book, servers, clock):
    with pytest.raises(Unknown):
        book.find(None)
    clock.advance(LITTLE)
    register(servers, clock, "first", is_default=True)
    clock.advance(LITTLE)
    assert book.find(None).key == "first"


def test_servers_that_are_known_are_not_read_with_every_request(servers, clock):
    fuse = Fuse()
    book = ServerBook(fuse.protect(servers), clock, Breaker(clock))
    register(servers, clock, "first")
    for _ in range(5):
        book.find("first")
        clock.advance(LITTLE)
    assert fuse.calls == ["FakeServers.list"]


def test_what_was_changed_is_seen_soon(book, servers, clock):
    register(servers, clock, "first", access=Access.OPEN)
    book.find("first")
    servers.save(Server("first", "https://first.example.org", clock.now(), access=Access.TOKEN))
    clock.advance(LIFE.total_seconds())
    assert book.find("first").access is Access.TOKEN


def test_what_nobody_looked_after_for_long_is_not_believed_while_it_is_read(servers, clock):
    """An hour ago everybody might use the server, and two come at once."""
    fuse = Fuse()
    book = ServerBook(fuse.protect(servers), clock, Breaker(clock))
    register(servers, clock, "first", access=Access.OPEN)
    book.find("first")
    servers.save(Server("first", "https://first.example.org", clock.now(), access=Access.TOKEN))
    clock.advance(3600)
    with ThreadPoolExecutor() as pool:
        seconds = []
        fuse.at, fuse.meanwhile = len(fuse.calls), lambda: seconds.append(begin(pool, book))
        assert book.find("first").access is Access.TOKEN
        assert seconds[0].result(10).access is Access.TOKEN


def begin(pool, book):
    """Somebody comes, and has time to be answered at once if that is what happens."""
    second = pool.submit(book.find, "first")
    wait([second], 0.1)
    return second


def test_while_somebody_reads_the_others_go_on_with_what_was_known_a_moment_ago(servers, clock):
    fuse = Fuse()
    book = ServerBook(fuse.protect(servers), clock, Breaker(clock))
    register(servers, clock, "first")
    book.find("first")
    clock.advance(LIFE.total_seconds())
    with ThreadPoolExecutor() as pool:
        answered = []
        fuse.at = len(fuse.calls)
        fuse.meanwhile = lambda: answered.append(pool.submit(book.find, "first").result(10))
        book.find("first")
    assert [server.key for server in answered] == ["first"]


def test_while_the_database_is_down_what_was_known_holds(book, servers, clock):
    register(servers, clock, "first")
    book.find("first")
    servers.is_down = True
    clock.advance(60)
    assert book.find("first").key == "first"


def test_while_the_database_is_down_nobody_says_that_there_is_no_such_server(book, servers, clock):
    register(servers, clock, "first")
    book.find("first")
    servers.is_down = True
    clock.advance(LITTLE)
    with pytest.raises(Unavailable):
        book.find("second")
