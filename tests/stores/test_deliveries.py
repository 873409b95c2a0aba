from datetime import datetime, timedelta

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.deliveries import MongoDeliveryLog
from callback_service.domain.delivery import Answer, Attempt, DeadLetter, Item, Verdict
from callback_service.domain.states import Source, State
from callback_service.domain.task import TaskKey, Update
from callback_service.relay.ports import DeliveryLog
from tests.fakes.clock import START
from tests.fakes.store import FakeDeliveryLog

KEY = TaskKey("local", "tesk", "task-1")
REFUSAL = Answer(status=400, latency=0.25, body="no", retry_after=timedelta(seconds=1.5))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(number: int, run_id: str = "r1") -> Attempt:
    verdict = REFUSAL.verdict
    return Attempt(run_id, f"msg_{number}", at(number), number, 3, verdict, REFUSAL)


def letter(seq: int, seconds: float = 0, run_id: str = "r1") -> DeadLetter:
    update = Update(seq, State.RUNNING, START, Source.CALLBACK)
    return DeadLetter(run_id, Item(KEY, update, State.QUEUED), "answered 400", at(seconds))


class DeliveryLogSuite:
    def test_attempts_are_read_newest_first_as_they_were_written(self, log: DeliveryLog):
        log.add([attempt(1), attempt(2)])
        log.add([attempt(3), attempt(4, "r2")])
        assert log.of_run("r1", None, 10) == [attempt(3), attempt(2), attempt(1)]
        assert log.of_run("r1", None, 10)[0].verdict is Verdict.REFUSED

    def test_the_next_page_begins_before_the_last_one_ended(self, log: DeliveryLog):
        log.add([attempt(number) for number in range(5)])
        assert log.of_run("r1", None, 2) == [attempt(4), attempt(3)]
        assert log.of_run("r1", at(3), 2) == [attempt(2), attempt(1)]

    def test_nothing_attempted_writes_nothing(self, log: DeliveryLog):
        log.add([])
        log.bury([])
        assert log.of_run("r1", None, 10) == []

    def test_letters_are_counted_per_run(self, log: DeliveryLog):
        log.bury([letter(1), letter(2), letter(1, run_id="r2")])
        assert (log.dead_letters("r1"), log.dead_letters("r2"), log.dead_letters("r3")) == (2, 1, 0)

    def test_a_letter_buried_again_by_the_next_worker_is_one(self, log: DeliveryLog):
        log.bury([letter(1)])
        log.bury([letter(1, seconds=5), letter(2)])
        assert log.dead_letters("r1") == 2

    def test_what_is_older_is_forgotten(self, log: DeliveryLog):
        log.add([attempt(1), attempt(2)])
        log.bury([letter(1, 1), letter(2, 2)])
        assert log.forget(at(2)) == 2
        assert log.of_run("r1", None, 10) == [attempt(2)]
        assert log.dead_letters("r1") == 1


class TestFakeDeliveryLog(DeliveryLogSuite):
    @pytest.fixture
    def log(self) -> DeliveryLog:
        return FakeDeliveryLog()


@pytest.mark.services
class TestMongoDeliveryLog(DeliveryLogSuite):
    @pytest.fixture
    def log(self, mongo_connection: Connection) -> DeliveryLog:
        return MongoDeliveryLog(mongo_connection)
