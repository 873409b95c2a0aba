from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.servers import MongoServers
from callback_service.domain.errors import Conflict
from callback_service.domain.polling import CallsBack, Filters, Polling
from callback_service.domain.server import Access, Server
from callback_service.relay.ports import Servers
from tests.fakes.clock import START
from tests.fakes.store import FakeServers

TESK = Server("tesk", "https://tesk.example.org", START, CallsBack.YES, is_default=True)
FUNNEL = Server("funnel", "https://funnel.example.org", START)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


# Every field is another than at first.
LEARNT = Polling(
    claim=7,
    held_until=at(1),
    next_at=at(2),
    polled_at=at(3),
    covered_at=at(4),
    wanted_until=at(5),
    waited_until=at(5.5),
    paid_until=at(6),
    requests=8,
    failures=9,
    error="it was down",
    filters=Filters.HONOURED,
    told=10,
    found=11,
    learnt=CallsBack.NO,
)

# A document of before servers were asked.
OLD = {
    "_id": "tesk",
    "url": TESK.url,
    "created_at": START,
    "calls_back": "yes",
    "is_default": True,
}


def polling_of(servers: Servers, key: str = "tesk") -> Polling:
    server = servers.find(key)
    assert server is not None
    return server.polling


class RegistrySuite:
    @pytest.mark.parametrize(
        "server",
        [
            TESK,
            replace(TESK, access=Access.PASS, credentials="operator"),
            replace(TESK, access=Access.OPEN, polling=LEARNT),
        ],
    )
    def test_what_was_added_is_found(self, servers: Servers, server: Server):
        servers.add(server)
        assert servers.find("tesk") == server
        assert servers.find("funnel") is None

    def test_a_name_is_given_once(self, servers: Servers):
        servers.add(TESK)
        with pytest.raises(Conflict):
            servers.add(replace(TESK, url="https://other.example.org"))
        assert servers.find("tesk") == TESK

    def test_they_are_listed_by_name(self, servers: Servers):
        servers.add(TESK)
        servers.add(FUNNEL)
        assert servers.list() == [FUNNEL, TESK]

    def test_saving_changes_what_is_there_and_adds_nothing(self, servers: Servers):
        servers.add(TESK)
        changed = replace(
            TESK,
            calls_back=CallsBack.NO,
            is_default=False,
            access=Access.PASS,
            credentials="operator",
        )
        assert servers.save(changed)
        assert not servers.save(FUNNEL)
        assert servers.list() == [changed]

    def test_saving_leaves_what_polling_wrote_meanwhile(self, servers: Servers):
        servers.add(replace(TESK, polling=LEARNT))
        servers.polled("tesk", 7, replace(LEARNT, requests=9))
        servers.want(["tesk"], at(60))
        servers.save(replace(TESK, calls_back=CallsBack.NO))
        polling = replace(LEARNT, requests=9, held_until=None, wanted_until=at(60))
        assert servers.list() == [replace(TESK, calls_back=CallsBack.NO, polling=polling)]

    def test_a_server_that_moved_is_to_be_known_anew(self, servers: Servers):
        servers.add(replace(TESK, polling=LEARNT))
        moved = replace(TESK, url="https://new.example.org")
        assert servers.save(moved)
        assert servers.list() == [replace(moved, polling=LEARNT.forget())]

    def test_what_is_learnt_of_a_server_that_has_moved_meanwhile_is_lost(self, servers: Servers):
        servers.add(TESK)
        assert servers.claim(TESK, at(5))
        servers.save(replace(TESK, url="https://new.example.org"))
        assert not servers.hold("tesk", 1, at(10))
        assert not servers.polled("tesk", 1, LEARNT)
        assert polling_of(servers) == Polling(claim=2)

    def test_removing_says_whether_it_was_there(self, servers: Servers):
        servers.add(TESK)
        assert servers.remove("tesk")
        assert not servers.remove("tesk")
        assert servers.list() == []


class PollingSuite:
    @pytest.fixture(autouse=True)
    def two_servers(self, servers: Servers):
        servers.add(TESK)
        servers.add(FUNNEL)

    def test_a_claim_is_counted_and_holds_the_server(self, servers: Servers):
        assert servers.claim(TESK, at(5))
        assert polling_of(servers) == Polling(claim=1, held_until=at(5))
        assert polling_of(servers, "funnel") == Polling()

    def test_of_two_who_read_the_same_the_later_one_claims_nothing(self, servers: Servers):
        assert servers.claim(TESK, at(5))
        assert not servers.claim(TESK, at(9))
        assert polling_of(servers).held_until == at(5)
        claimed = servers.find("tesk")
        assert claimed is not None
        assert servers.claim(claimed, at(9))
        assert polling_of(servers) == Polling(claim=2, held_until=at(9))

    def test_of_many_who_claim_at_once_one_gets_it(self, servers: Servers):
        with ThreadPoolExecutor(8) as workers:
            claims = list(workers.map(lambda _: servers.claim(TESK, at(5)), range(8)))
        assert sum(claims) == 1
        assert polling_of(servers).claim == 1

    def test_who_holds_it_may_go_on_until_another_claims_it(self, servers: Servers):
        servers.claim(TESK, at(5))
        assert servers.hold("tesk", 1, at(10))
        assert polling_of(servers) == Polling(claim=1, held_until=at(10))
        servers.claim(replace(TESK, polling=Polling(claim=1)), at(15))
        assert not servers.hold("tesk", 1, at(20))
        assert polling_of(servers) == Polling(claim=2, held_until=at(15))

    def test_how_a_poll_went_is_written_and_the_server_let_go(self, servers: Servers):
        servers.claim(TESK, at(5))
        assert servers.polled("tesk", 1, LEARNT)
        kept = replace(LEARNT, claim=1, held_until=None, wanted_until=None, waited_until=None)
        assert polling_of(servers) == kept
        # And back to what it was at first: a fault is over.
        assert servers.polled("tesk", 1, Polling())
        assert polling_of(servers) == Polling(claim=1)

    def test_who_lost_the_claim_writes_nothing(self, servers: Servers):
        servers.claim(TESK, at(5))
        servers.claim(replace(TESK, polling=Polling(claim=1)), at(15))
        assert not servers.polled("tesk", 1, LEARNT)
        assert polling_of(servers) == Polling(claim=2, held_until=at(15))

    def test_a_poll_leaves_what_clients_wanted_meanwhile(self, servers: Servers):
        servers.claim(TESK, at(5))
        servers.want(["tesk"], at(30))
        servers.wait(["tesk"], at(31))
        servers.polled("tesk", 1, replace(LEARNT, wanted_until=at(3), waited_until=at(4)))
        assert polling_of(servers).wanted_until == at(30)
        assert polling_of(servers).waited_until == at(31)

    def test_waiting_is_never_shortened_and_reaches_the_named_servers_only(self, servers: Servers):
        servers.want(["tesk", "unknown"], at(30))
        servers.want(["tesk"], at(20))
        servers.want([], at(90))
        servers.wait(["tesk", "unknown"], at(40))
        servers.wait(["tesk"], at(10))
        assert polling_of(servers) == Polling(wanted_until=at(30), waited_until=at(40))
        assert polling_of(servers, "funnel") == Polling()
        assert servers.find("unknown") is None

    @pytest.mark.parametrize(
        "poll",
        [
            lambda servers: servers.claim(replace(TESK, key="unknown"), START),
            lambda servers: servers.hold("unknown", 0, START),
            lambda servers: servers.polled("unknown", 0, Polling()),
        ],
    )
    def test_a_server_that_was_removed_is_nobodys(
        self, servers: Servers, poll: Callable[[Servers], bool]
    ):
        assert not poll(servers)
        assert servers.find("unknown") is None


class TestFakeServers(RegistrySuite):
    @pytest.fixture
    def servers(self) -> Servers:
        return FakeServers()


class TestFakeServersPolling(PollingSuite):
    @pytest.fixture
    def servers(self) -> Servers:
        return FakeServers()


@pytest.mark.services
class TestMongoServers(RegistrySuite):
    @pytest.fixture
    def servers(self, mongo_connection: Connection) -> Servers:
        return MongoServers(mongo_connection)

    def test_an_old_document_is_read_and_claimed(
        self, servers: Servers, mongo_connection: Connection
    ):
        mongo_connection.durable["servers"].insert_one(dict(OLD))
        assert servers.find("tesk") == TESK
        servers.want(["tesk"], at(30))
        assert servers.claim(TESK, at(5))
        assert not servers.claim(TESK, at(9))
        polling = Polling(claim=1, held_until=at(5), wanted_until=at(30))
        assert servers.find("tesk") == replace(TESK, polling=polling)

    def test_the_server_of_an_old_document_can_move(
        self, servers: Servers, mongo_connection: Connection
    ):
        mongo_connection.durable["servers"].insert_one(dict(OLD))
        moved = replace(TESK, url="https://new.example.org")
        assert servers.save(moved)
        assert servers.list() == [replace(moved, polling=Polling(claim=1))]


@pytest.mark.services
class TestMongoServersPolling(PollingSuite):
    @pytest.fixture
    def servers(self, mongo_connection: Connection) -> Servers:
        return MongoServers(mongo_connection)
