"""A database that is down, slow or not there yet: refused fast, and used as soon as it answers."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.indexes import INDEXES, ensure_indexes
from callback_service.adapters.mongo.tasks import MongoTasks
from callback_service.domain.errors import Unavailable
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Change
from tests.fakes.clock import START
from tests.ports import free_port
from tests.services import embedded_database, mongo_uri_at

KEY = TaskKey("local", "tesk", "task-1")
CHANGE = Change(None, Task(KEY).join("r1", START).hear(State.QUEUED, Source.CALLBACK, START))


def names(database: Database[dict[str, Any]]) -> dict[str, list[str]]:
    return {name: sorted(database[name].index_information()) for name in INDEXES}


@pytest.fixture
def unreachable() -> Iterator[Connection]:
    with MongoClient[dict[str, Any]](mongo_uri_at(free_port())) as client:
        yield Connection(client["test"], timeout=0.3)


class TestUnavailable:
    @pytest.mark.parametrize(
        "call",
        [
            lambda tasks: tasks.load([KEY]),
            lambda tasks: tasks.save([CHANGE]),
            lambda tasks: tasks.mark_told("r1", {KEY: 1}),
            lambda tasks: tasks.creditors(),
            lambda tasks: tasks.leave("r1"),
            lambda tasks: tasks.unsettled("tesk", 10),
            lambda tasks: tasks.settle([KEY]),
            lambda tasks: tasks.forget(START),
        ],
    )
    def test_a_database_that_is_down_is_unavailable_in_time(
        self, unreachable: Connection, call: Callable[[MongoTasks], object]
    ):
        tasks, begun = MongoTasks(unreachable), time.monotonic()
        with pytest.raises(Unavailable) as raised:
            call(tasks)
        assert time.monotonic() - begun < 2
        assert isinstance(raised.value.__cause__, PyMongoError)

    @pytest.mark.parametrize(
        "error",
        [
            AutoReconnect(),
            NetworkTimeout(),
            NotPrimaryError("not primary"),
            ServerSelectionTimeoutError(),
            WTimeoutError("waiting for replication timed out", 64),
            OperationFailure("out of disk space", 14031),
            DocumentTooLarge("BSON document too large (17000000 bytes)"),
            BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
        ],
    )
    def test_what_was_not_confirmed_is_unavailable(
        self, unreachable: Connection, error: PyMongoError
    ):
        with pytest.raises(Unavailable), unreachable.guarded():
            raise error

    def test_a_mistake_of_ours_is_not_passed_off_as_bad_luck(self, unreachable: Connection):
        with pytest.raises(InvalidOperation), unreachable.guarded():
            raise InvalidOperation


class TestConcerns:
    def test_what_is_acknowledged_is_in_the_journal_of_a_majority(self, unreachable: Connection):
        assert unreachable.durable.write_concern.document == {"w": "majority", "j": True}
        assert unreachable.settled.read_concern.level == "majority"

    def test_what_may_be_lost_waits_for_no_journal(self, unreachable: Connection):
        assert unreachable.light.write_concern.document == {"w": 1, "j": False}

    def test_whatever_the_uri_says(self):
        uri = "mongodb://127.0.0.1/?w=0&readPreference=secondaryPreferred"
        with MongoClient[dict[str, Any]](uri, connect=False) as client:
            connection = Connection(client["test"])
        assert connection.durable.write_concern.document == {"w": "majority", "j": True}
        assert connection.durable.read_preference.name == "Primary"
        assert connection.durable.codec_options.tz_aware


@pytest.mark.services
class TestIndexes:
    def test_ensuring_them_twice_is_ensuring_them_once(
        self, mongo_database: Database[dict[str, Any]]
    ):
        ensure_indexes(mongo_database)
        once = names(mongo_database)
        ensure_indexes(mongo_database)
        assert names(mongo_database) == once
        assert {name: len(found) - 1 for name, found in once.items()} == {
            name: len(models) for name, models in INDEXES.items()
        }

    def test_the_first_call_that_succeeds_makes_them(
        self, mongo_database: Database[dict[str, Any]]
    ):
        MongoTasks(Connection(mongo_database, timeout=20)).load([KEY])
        assert all(len(found) > 1 for found in names(mongo_database).values())

    def test_a_call_does_not_fail_because_they_cannot_be_made(
        self, mongo_database: Database[dict[str, Any]], caplog: pytest.LogCaptureFixture
    ):
        # An index of that name that means something else.
        mongo_database["tasks"].create_index("other", name="updated_at_1")
        tasks = MongoTasks(Connection(mongo_database, timeout=20))
        assert tasks.save([CHANGE]) == set()
        assert tasks.load([KEY]) == {KEY: CHANGE.after}
        assert [record.message for record in caplog.records] == ["indexes.postponed"]


@pytest.mark.services
@pytest.mark.slow
class TestOutage:
    def test_a_database_that_comes_late_is_used_indexes_included(self, tmp_path: Path):
        port = free_port()
        with MongoClient[dict[str, Any]](mongo_uri_at(port)) as client:
            tasks = MongoTasks(Connection(client["test"], timeout=0.5))
            with pytest.raises(Unavailable):
                tasks.save([CHANGE])
            with embedded_database(tmp_path, port):
                assert _until_available(tasks) == set()
                assert all(len(found) > 1 for found in names(client["test"]).values())

    def test_what_was_acknowledged_outlives_a_killed_database(self, tmp_path: Path):
        port = free_port()
        with MongoClient[dict[str, Any]](mongo_uri_at(port)) as client:
            tasks = MongoTasks(Connection(client["test"], timeout=5))
            with embedded_database(tmp_path, port) as process:
                killer = threading.Timer(1, process.kill)
                killer.start()
                acknowledged = _write_until_unavailable(tasks)
                killer.join()
            with embedded_database(tmp_path, port):
                assert _until_available(tasks) == set()
                assert tasks.load([KEY])[KEY].seq >= acknowledged > 10


def _until_available(tasks: MongoTasks) -> set[TaskKey]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return tasks.save([CHANGE])
        except Unavailable:
            time.sleep(0.05)
    pytest.fail("the database answers, and its client does not notice")


def _write_until_unavailable(tasks: MongoTasks) -> int:
    """Write as fast as is acknowledged, and return the last `seq` that was."""
    task = CHANGE.after
    tasks.save([CHANGE])
    for state in itertools.cycle([State.RUNNING, State.QUEUED]):
        moved = task.hear(state, Source.CALLBACK, START)
        try:
            assert tasks.save([Change(task, moved)]) == set()
        except Unavailable:
            return task.seq
        task = moved
    raise AssertionError


class TestWithin:
    """All the calls that somebody makes have so much time together."""

    def test_calls_end_with_it_however_many_there_are(self, unreachable: Connection):
        begun = time.monotonic()
        with unreachable.within(0.5):
            for _ in range(5):
                with pytest.raises(Unavailable):
                    unreachable.check()
        # Each may take 0.3 seconds.
        assert time.monotonic() - begun < 1.2

    def test_what_comes_after_is_bounded_no_more(self, mongo_database: Database[dict[str, Any]]):
        connection = Connection(mongo_database)
        with connection.within(0), pytest.raises(Unavailable):
            connection.check()
        connection.check()

    def test_an_inner_one_gives_no_more_time(self, mongo_database: Database[dict[str, Any]]):
        connection = Connection(mongo_database)
        with connection.within(0), connection.within(10), pytest.raises(Unavailable):
            connection.check()

    def test_other_threads_have_their_own(self, mongo_database: Database[dict[str, Any]]):
        connection = Connection(mongo_database)
        with connection.within(0), ThreadPoolExecutor(1) as other:
            other.submit(connection.check).result()

    def test_nobody_makes_indexes_in_it(self, mongo_database: Database[dict[str, Any]]):
        connection = Connection(mongo_database)
        with connection.within(60):
            connection.check()
        assert "tasks" not in mongo_database.list_collection_names()
        connection.check()
        assert "tasks" in mongo_database.list_collection_names()
