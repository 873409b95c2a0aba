from dataclasses import replace

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.servers import MongoServers
from callback_service.domain.errors import Conflict
from callback_service.domain.polling import CallsBack
from callback_service.domain.server import Server
from callback_service.relay.ports import Servers
from tests.fakes.clock import START
from tests.fakes.store import FakeServers

TESK = Server("tesk", "https://tesk.example.org", START, CallsBack.YES, is_default=True)
FUNNEL = Server("funnel", "https://funnel.example.org", START)


class ServersSuite:
    def test_what_was_added_is_found(self, servers: Servers):
        servers.add(TESK)
        assert servers.find("tesk") == TESK
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
        moved = replace(TESK, url="https://new.example.org", calls_back=CallsBack.NO)
        assert servers.save(moved)
        assert not servers.save(FUNNEL)
        assert servers.list() == [moved]

    def test_removing_says_whether_it_was_there(self, servers: Servers):
        servers.add(TESK)
        assert servers.remove("tesk")
        assert not servers.remove("tesk")
        assert servers.list() == []


class TestFakeServers(ServersSuite):
    @pytest.fixture
    def servers(self) -> Servers:
        return FakeServers()


@pytest.mark.services
class TestMongoServers(ServersSuite):
    @pytest.fixture
    def servers(self, mongo_connection: Connection) -> Servers:
        return MongoServers(mongo_connection)
