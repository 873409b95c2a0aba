"""The schema in the database: what older versions wrote, and what newer ones did."""

import pytest

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.schema import VERSION, MongoSchema
from callback_service.adapters.mongo.tasks import MongoTasks
from callback_service.domain.errors import NewerData
from callback_service.domain.states import State
from tests.upgrade.old_data import load

UNSETTLED = {"ended", "open", "other", "owed", "pulled-1"}


@pytest.fixture
def connection(mongo_database):
    return Connection(mongo_database, timeout=20)


@pytest.fixture
def schema(connection):
    return MongoSchema(connection)


def unsettled(connection):
    return {task.key.task_id for task in MongoTasks(connection).unsettled("funnel", 100)}


def test_an_empty_database_has_the_newest_schema(schema, mongo_database):
    assert schema.migrate() == {}
    assert mongo_database["schema"].find_one()["version"] == VERSION


def test_tasks_of_before_there_was_a_reconciler_are_found_by_it(schema, connection, mongo_database):
    load(mongo_database)
    assert unsettled(connection) == set()
    assert schema.migrate() == {"tasks to be asked for": len(UNSETTLED)}
    assert unsettled(connection) == UNSETTLED


def test_all_that_was_known_is_known_still(schema, connection, mongo_database):
    load(mongo_database)
    before = list(mongo_database["tasks"].find())
    schema.migrate()
    after = {one["_id"]: one for one in mongo_database["tasks"].find()}
    for task in before:
        assert task.items() <= after[task["_id"]].items()


def test_what_is_up_to_date_is_left_alone(schema, mongo_database):
    load(mongo_database)
    schema.migrate()
    assert schema.migrate() == {}
    assert schema.migrate(again=True) == {"tasks to be asked for": 0}


def test_what_an_old_process_writes_meanwhile_is_found_the_next_time(schema, mongo_database):
    load(mongo_database)
    schema.migrate()
    late = {"unsettled": True, "began_at": True}
    mongo_database["tasks"].update_one({"task_id": "open"}, {"$unset": late})
    assert schema.migrate() == {}
    assert schema.migrate(again=True) == {"tasks to be asked for": 1}


def test_a_task_that_ended_and_was_confirmed_is_asked_for_no_more(
    schema, connection, mongo_database
):
    load(mongo_database)
    ended = mongo_database["tasks"].find_one({"task_id": "ended"})
    assert ended["state"] == State.COMPLETE
    mongo_database["tasks"].update_one(
        {"task_id": "ended"}, {"$set": {"confirmed_at": ended["heard_at"]}}
    )
    schema.migrate()
    assert unsettled(connection) == UNSETTLED - {"ended"}


def test_documents_of_a_newer_version_are_left_alone(schema, mongo_database):
    load(mongo_database)
    newer = {"_id": "version", "version": VERSION + 1}
    mongo_database["schema"].insert_one(newer)
    for ask in (schema.check, schema.migrate):
        with pytest.raises(NewerData, match=f"schema {VERSION + 1}"):
            ask()
    assert mongo_database["schema"].find_one() == newer
    assert mongo_database["tasks"].count_documents({"began_at": {"$exists": True}}) == 0
