"""Which tasks a server is still to be asked for."""

from dataclasses import replace

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.tasks import MongoTasks
from callback_service.domain.freshness import outlined
from callback_service.domain.task import HISTORY_LIMIT, TaskKey
from callback_service.relay.ports import Tasks
from tests.fakes.store import FakeTasks
from tests.stores.decisions import (
    COMPLETE,
    KEY,
    MANY,
    OTHER,
    POLL,
    QUEUED,
    RUNNING,
    Decision,
    accept,
    at,
    decide,
    hear,
    join,
    load,
    miss,
    record,
    tag,
)


def keys(tasks: Tasks, server: str = "tesk", limit: int = 500) -> list[TaskKey]:
    return sorted(task.key for task in tasks.unsettled(server, limit))


class UnsettledSuite:
    @pytest.mark.parametrize(
        "decisions",
        [
            [],
            [join("r1")],
            [hear(QUEUED)],
            [hear(RUNNING, 1, POLL)],
            [hear(COMPLETE)],
            [hear(QUEUED), tag(), accept(2), miss(3)],
        ],
    )
    def test_a_task_is_until_its_server_has_told_of_its_end(
        self, tasks: Tasks, decisions: list[Decision]
    ):
        record(tasks, join("r0"), *decisions)
        assert tasks.unsettled("tesk", 10) == [outlined(load(tasks))]
        assert tasks.unsettled("funnel", 10) == []
        record(tasks, hear(COMPLETE, 5, POLL))
        assert tasks.unsettled("tesk", 10) == []

    @pytest.mark.parametrize("ending", [[hear(COMPLETE, 1, POLL)], [miss(1), miss(300)]])
    def test_one_that_is_new_and_has_ended_is_not(self, tasks: Tasks, ending: list[Decision]):
        record(tasks, *ending)
        assert keys(tasks) == []

    def test_those_of_all_owners_are(self, tasks: Tasks):
        record(tasks, hear(QUEUED))
        record(tasks, hear(QUEUED), key=OTHER)
        record(tasks, hear(QUEUED), key=OTHER._replace(server="funnel"))
        assert keys(tasks) == sorted([KEY, OTHER])

    def test_no_more_are_read_than_are_asked_for(self, tasks: Tasks):
        tasks.save([decide(None, hear(QUEUED), key=key) for key in MANY])
        assert len(keys(tasks, limit=3)) == 3
        assert keys(tasks) == MANY

    @pytest.mark.parametrize("step", [[], [join("r2", 1)], [tag()], [miss(1)], [accept(1)]])
    def test_a_confirmation_of_the_end_settles_it_whatever_is_decided_with_it(
        self, tasks: Tasks, step: list[Decision]
    ):
        record(tasks, hear(QUEUED))
        record(tasks, hear(COMPLETE, 1))
        record(tasks, *step, hear(COMPLETE, 2, POLL))
        assert keys(tasks) == []

    def test_one_that_was_missing_and_then_ended_is_settled_by_its_confirmation(self, tasks: Tasks):
        record(tasks, hear(RUNNING))
        record(tasks, miss(1))
        record(tasks, hear(COMPLETE, 2))
        assert keys(tasks) == [KEY]
        record(tasks, hear(COMPLETE, 3, POLL))
        assert keys(tasks) == []

    def test_a_server_that_has_forgotten_an_ended_task_settles_it(self, tasks: Tasks):
        record(tasks, hear(COMPLETE))
        record(tasks, miss(1))
        assert keys(tasks) == []

    def test_a_task_that_a_server_has_lost_is_settled(self, tasks: Tasks):
        record(tasks, hear(RUNNING))
        record(tasks, miss(1))
        assert keys(tasks) == [KEY]
        record(tasks, miss(300))
        assert keys(tasks) == []

    def test_a_confirmation_of_what_is_under_way_settles_nothing(self, tasks: Tasks):
        record(tasks, hear(RUNNING))
        record(tasks, hear(RUNNING, 1, POLL))
        assert keys(tasks) == [KEY]

    def test_a_confirmation_settles_no_state_but_its_own(self, tasks: Tasks):
        """The server was corrected by itself meanwhile: the task goes on."""
        before = record(tasks, hear(COMPLETE))
        record(tasks, hear(RUNNING, 1, POLL))
        assert tasks.save([decide(before, hear(COMPLETE, 2, POLL))]) == set()
        assert keys(tasks) == [KEY]

    def test_a_correction_out_of_a_settled_state_unsettles_it_again(self, tasks: Tasks):
        record(tasks, hear(COMPLETE, 1, POLL))
        record(tasks, hear(RUNNING, 2, POLL))
        assert tasks.unsettled("tesk", 10) == [outlined(load(tasks))]

    def test_late_callbacks_and_joins_leave_it_settled(self, tasks: Tasks):
        record(tasks, hear(COMPLETE, 1, POLL))
        for step in (hear(RUNNING, 2), hear(COMPLETE, 3), join("r2", 4), tag()):
            record(tasks, step)
        assert keys(tasks) == []

    def test_who_joins_while_the_end_is_confirmed_unsettles_nothing(self, tasks: Tasks):
        before = record(tasks, hear(COMPLETE))
        record(tasks, hear(COMPLETE, 1, POLL))
        assert tasks.save([decide(before, join("r1", 2))]) == set()
        assert keys(tasks) == []

    def test_when_a_task_began_is_known_however_often_it_moved(self, tasks: Tasks):
        record(tasks, join("r1"))
        for second in range(1, 4):
            record(tasks, hear(QUEUED, second), hear(RUNNING, second))
        assert [task.began_at for task in tasks.unsettled("tesk", 10)] == [at(1)]
        record(tasks, *[hear(QUEUED, 5), hear(RUNNING, 5)] * HISTORY_LIMIT)
        assert tasks.unsettled("tesk", 10) == [outlined(load(tasks))]

    def test_what_is_forgotten_is_not_asked_for(self, tasks: Tasks):
        record(tasks, hear(QUEUED))
        assert tasks.forget(at(1)) == 1
        assert keys(tasks) == []

    def test_settling_reaches_those_that_have_ended_only(self, tasks: Tasks):
        ended, running = MANY[:2]
        record(tasks, hear(COMPLETE), key=ended)
        record(tasks, hear(RUNNING), key=running)
        tasks.settle([ended, running, OTHER])
        tasks.settle([])
        assert keys(tasks) == [running]
        assert tasks.load([OTHER]) == {}

    def test_settling_changes_nothing_else_and_nobody_loses_to_it(self, tasks: Tasks):
        before = record(tasks, join("r1"), hear(COMPLETE))
        tasks.settle([KEY])
        assert load(tasks) == before
        assert tasks.save([decide(before, join("r2", 1))]) == set()
        assert keys(tasks) == []

    def test_what_counted_as_settled_and_is_corrected_does_not_any_more(self, tasks: Tasks):
        record(tasks, hear(COMPLETE))
        tasks.settle([KEY])
        record(tasks, hear(RUNNING, 1, POLL))
        assert keys(tasks) == [KEY]

    def test_many_are_settled_at_once(self, tasks: Tasks):
        tasks.save([decide(None, hear(COMPLETE), key=key) for key in MANY])
        tasks.settle(MANY)
        assert keys(tasks) == []


class TestFakeUnsettled(UnsettledSuite):
    @pytest.fixture
    def tasks(self) -> Tasks:
        return FakeTasks()


@pytest.mark.services
class TestMongoUnsettled(UnsettledSuite):
    @pytest.fixture
    def tasks(self, mongo_connection: Connection) -> Tasks:
        return MongoTasks(mongo_connection)

    def test_an_old_document_is_read_and_asked_for_once_it_moves(
        self, tasks: Tasks, mongo_connection: Connection
    ):
        saved = record(tasks, join("r1"), hear(QUEUED))
        young = ("missing_at", "accepted_at", "is_tagged", "began_at", "unsettled")
        strike = {"$unset": dict.fromkeys(young, "")}
        mongo_connection.durable["tasks"].update_one({"_id": str(KEY)}, strike)
        assert load(tasks) == saved
        assert keys(tasks) == []
        record(tasks, hear(RUNNING, 1), accept(1), tag())
        assert tasks.unsettled("tesk", 10) == [outlined(load(tasks))]

    def test_nothing_is_said_of_when_an_old_document_began(
        self, tasks: Tasks, mongo_connection: Connection
    ):
        saved = record(tasks, hear(QUEUED))
        strike = {"$unset": {"began_at": ""}}
        mongo_connection.durable["tasks"].update_one({"_id": str(KEY)}, strike)
        assert tasks.unsettled("tesk", 10) == [replace(outlined(saved), began_at=None)]
