from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.outcomes import MongoOutcomes
from callback_service.relay.ports import Outcome, Outcomes
from tests.fakes.clock import START
from tests.fakes.store import FakeOutcomes


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


OUTCOME = Outcome("digest", 1, at(1), 502, b"\x00\xff{}", "application/problem+json")


class OutcomesSuite:
    def test_who_repeats_on_the_next_path_is_answered_as_before(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        assert outcomes.take("digest", 2, START) == OUTCOME

    def test_each_path_takes_it_once(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        assert outcomes.take("digest", 2, START) == OUTCOME
        assert outcomes.take("digest", 2, START) is None
        assert outcomes.take("digest", 3, START) == OUTCOME
        assert outcomes.take("digest", 3, START) is None

    @pytest.mark.parametrize("rank", [0, 1])
    def test_it_is_for_later_paths_only(self, outcomes: Outcomes, rank: int):
        """The same request on the same path again is another one."""
        outcomes.keep(OUTCOME)
        assert outcomes.take("digest", rank, START) is None

    def test_it_is_for_the_same_request_only(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        assert outcomes.take("other", 2, START) is None

    def test_it_holds_for_a_while(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        assert outcomes.take("digest", 2, at(1.001)) is None
        assert outcomes.take("digest", 2, at(1)) == OUTCOME

    def test_the_oldest_is_taken_first(self, outcomes: Outcomes):
        third, first, second = (replace(OUTCOME, at=at(seconds)) for seconds in (3, 1, 2))
        for outcome in (third, first, second):
            outcomes.keep(outcome)
        taken = [outcomes.take("digest", 2, START) for _ in range(4)]
        assert taken == [first, second, third, None]

    def test_two_that_are_alike_are_two(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        outcomes.keep(OUTCOME)
        assert [outcomes.take("digest", 2, START) for _ in range(3)] == [OUTCOME, OUTCOME, None]

    def test_of_many_who_take_at_once_each_gets_another(self, outcomes: Outcomes):
        kept = [replace(OUTCOME, at=at(number)) for number in range(5)]
        for outcome in kept:
            outcomes.keep(outcome)
        with ThreadPoolExecutor(8) as workers:
            taken = list(workers.map(lambda _: outcomes.take("digest", 2, START), range(8)))
        assert sorted(one.at for one in taken if one) == [one.at for one in kept]

    def test_what_is_older_is_forgotten(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        outcomes.keep(replace(OUTCOME, at=at(2)))
        assert outcomes.forget(at(2)) == 1
        taken = outcomes.take("digest", 2, START)
        assert taken == replace(OUTCOME, at=at(2))


class TestFakeOutcomes(OutcomesSuite):
    @pytest.fixture
    def outcomes(self) -> Outcomes:
        return FakeOutcomes()


@pytest.mark.services
class TestMongoOutcomes(OutcomesSuite):
    @pytest.fixture
    def outcomes(self, mongo_connection: Connection) -> Outcomes:
        return MongoOutcomes(mongo_connection)
