from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from callback_service.adapters.folder_outcomes import FolderOutcomes
from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.outcomes import MongoOutcomes
from callback_service.domain.outcome import Outcome
from callback_service.relay.ports import Outcomes
from tests.fakes.clock import START
from tests.fakes.store import FakeOutcomes


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


OUTCOME = Outcome("one", "digest", 1, at(1), 502, b"\x00\xff{}", "application/problem+json")


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
        third, first, second = (
            replace(OUTCOME, id=str(seconds), at=at(seconds)) for seconds in (3, 1, 2)
        )
        for outcome in (third, first, second):
            outcomes.keep(outcome)
        taken = [outcomes.take("digest", 2, START) for _ in range(4)]
        assert taken == [first, second, third, None]

    def test_what_failed_is_likelier_repeated_than_what_is_under_way_or_went_well(self, outcomes):
        well = replace(OUTCOME, id="well", status=200, at=at(0))
        under_way = replace(OUTCOME, id="under way", status=None, body=b"", at=at(0))
        failed = replace(OUTCOME, id="failed", at=at(9))
        for outcome in (well, under_way, failed):
            outcomes.keep(outcome)
        assert outcomes.take("digest", 2, START) == failed
        # It is shown as often as somebody asks, and taken when it is there.
        assert outcomes.take("digest", 2, START) == under_way
        assert outcomes.take("digest", 2, START) == under_way
        ended = replace(under_way, status=504)
        outcomes.keep(ended)
        assert outcomes.take("digest", 2, START) == ended
        assert outcomes.take("digest", 2, START) == well
        assert outcomes.take("digest", 2, START) is None

    def test_what_is_dropped_is_not_there_any_more(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        outcomes.drop(OUTCOME.id)
        outcomes.drop("nobody's")
        assert outcomes.take("digest", 2, START) is None

    def test_what_was_taken_elsewhere_is_not_taken_again(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        outcomes.note_taken(OUTCOME.id, 2)
        outcomes.note_taken("nobody's", 2)
        outcomes.keep(replace(OUTCOME, status=504))
        assert outcomes.take("digest", 2, START) is None
        assert outcomes.take("digest", 3, START)

    def test_of_many_who_take_at_once_each_gets_another(self, outcomes: Outcomes):
        kept = [replace(OUTCOME, id=str(number), at=at(number)) for number in range(5)]
        for outcome in kept:
            outcomes.keep(outcome)
        with ThreadPoolExecutor(8) as workers:
            taken = list(workers.map(lambda _: outcomes.take("digest", 2, START), range(8)))
        assert sorted(one.at for one in taken if one) == [one.at for one in kept]

    def test_what_is_older_is_forgotten(self, outcomes: Outcomes):
        outcomes.keep(OUTCOME)
        younger = replace(OUTCOME, id="younger", at=at(2))
        outcomes.keep(younger)
        assert outcomes.forget(at(2)) == 1
        assert outcomes.take("digest", 2, START) == younger


class TestFakeOutcomes(OutcomesSuite):
    @pytest.fixture
    def outcomes(self) -> Outcomes:
        return FakeOutcomes()


class TestFolderOutcomes(OutcomesSuite):
    @pytest.fixture
    def outcomes(self, tmp_path: Path) -> Outcomes:
        return FolderOutcomes(tmp_path / "outcomes")


@pytest.mark.services
class TestMongoOutcomes(OutcomesSuite):
    @pytest.fixture
    def outcomes(self, mongo_connection: Connection) -> Outcomes:
        return MongoOutcomes(mongo_connection)
