from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.ticks import MongoTicks
from callback_service.relay.ports import Ticks
from tests.fakes.clock import START
from tests.fakes.store import FakeTicks

LATER = START + timedelta(seconds=10)


class TicksSuite:
    def test_work_that_was_never_claimed_is_due(self, ticks: Ticks):
        assert ticks.claim("sweep", START, LATER)

    def test_claimed_work_is_not_due_until_its_time(self, ticks: Ticks):
        ticks.claim("sweep", START, LATER)
        assert not ticks.claim("sweep", LATER - timedelta(milliseconds=1), LATER)
        assert ticks.claim("sweep", LATER, LATER + timedelta(seconds=10))

    def test_who_has_a_fast_clock_keeps_nobody_from_work(self, ticks: Ticks):
        hour = timedelta(hours=1)
        ticks.claim("sweep", START + hour, LATER + hour)
        assert ticks.claim("sweep", START, LATER)
        assert not ticks.claim("sweep", START, LATER)

    def test_clocks_may_differ_a_little(self, ticks: Ticks):
        ticks.claim("sweep", START + timedelta(seconds=90), LATER + timedelta(seconds=90))
        assert not ticks.claim("sweep", START, LATER)

    def test_one_work_does_not_wait_for_another(self, ticks: Ticks):
        ticks.claim("sweep", START, LATER)
        assert ticks.claim("poll", START, LATER)

    def test_of_many_who_claim_at_once_one_gets_it(self, ticks: Ticks):
        with ThreadPoolExecutor(8) as workers:
            claims = list(workers.map(lambda _: ticks.claim("sweep", START, LATER), range(8)))
        assert sum(claims) == 1


class TestFakeTicks(TicksSuite):
    @pytest.fixture
    def ticks(self) -> Ticks:
        return FakeTicks()


@pytest.mark.services
class TestMongoTicks(TicksSuite):
    @pytest.fixture
    def ticks(self, mongo_connection: Connection) -> Ticks:
        return MongoTicks(mongo_connection)
