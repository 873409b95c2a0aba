from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.fingerprints import MongoFingerprints
from callback_service.relay.ports import Fingerprints
from tests.fakes.clock import START
from tests.fakes.store import FakeFingerprints


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class FingerprintsSuite:
    def test_the_key_is_32_bytes_and_stays_the_same(self, fingerprints: Fingerprints):
        key = fingerprints.key()
        assert len(key) == 32
        fingerprints.forget(at(1000))
        assert fingerprints.key() == key

    def test_who_was_refused_was_so_at_one_server(self, fingerprints: Fingerprints):
        fingerprints.deny("a/b", "tesk", at(1))
        fingerprints.deny("a", "funnel", at(2))
        assert fingerprints.denied_at("a/b", "tesk") == at(1)
        assert fingerprints.denied_at("a", "funnel") == at(2)
        assert fingerprints.denied_at("a", "tesk") is None
        assert fingerprints.denied_at("a%2Fb", "tesk") is None

    def test_a_refusal_never_moves_back(self, fingerprints: Fingerprints):
        for seconds in (2, 1, 3, 2):
            fingerprints.deny("a", "tesk", at(seconds))
        assert fingerprints.denied_at("a", "tesk") == at(3)

    def test_of_many_refusals_at_once_the_latest_stays(self, fingerprints: Fingerprints):
        with ThreadPoolExecutor(8) as workers:
            list(workers.map(lambda second: fingerprints.deny("a", "tesk", at(second)), range(8)))
        assert fingerprints.denied_at("a", "tesk") == at(7)

    def test_what_is_older_is_forgotten(self, fingerprints: Fingerprints):
        fingerprints.deny("a", "tesk", at(1))
        fingerprints.deny("b", "tesk", at(2))
        assert fingerprints.forget(at(2)) == 1
        assert fingerprints.denied_at("a", "tesk") is None
        assert fingerprints.denied_at("b", "tesk") == at(2)


class TestFakeFingerprints(FingerprintsSuite):
    @pytest.fixture
    def fingerprints(self) -> Fingerprints:
        return FakeFingerprints()


@pytest.mark.services
class TestMongoFingerprints(FingerprintsSuite):
    @pytest.fixture
    def fingerprints(self, mongo_connection: Connection) -> Fingerprints:
        return MongoFingerprints(mongo_connection)

    def test_all_processes_agree_on_the_key(self, mongo_connection: Connection):
        """Also where they begin at once. Else each would take the others' owners for strangers."""
        with ThreadPoolExecutor(8) as workers:
            read = [MongoFingerprints(mongo_connection) for _ in range(8)]
            keys = set(workers.map(MongoFingerprints.key, read))
        assert keys == {MongoFingerprints(mongo_connection).key()}

    def test_every_installation_has_its_own(self, mongo_connection: Connection):
        before = MongoFingerprints(mongo_connection).key()
        mongo_connection.durable["fingerprints"].drop()
        assert MongoFingerprints(mongo_connection).key() != before
