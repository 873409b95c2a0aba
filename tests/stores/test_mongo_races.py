"""Races between two statements of one call, which only the real store has."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener, CommandStartedEvent

from callback_service.adapters.mongo.connection import Connection
from callback_service.adapters.mongo.servers import MongoServers
from callback_service.adapters.mongo.tasks import MongoTasks
from callback_service.domain.errors import Unavailable
from callback_service.domain.polling import Polling
from callback_service.domain.server import Server
from callback_service.domain.states import Source, State
from callback_service.domain.task import Task, TaskKey
from callback_service.relay.ports import Change
from tests.fakes.clock import START

pytestmark = pytest.mark.services

KEY = TaskKey("local", "tesk", "task-1")


class Meanwhile(CommandListener):
    """Does something, once, just before the next statement of a kind is sent."""

    def __init__(self) -> None:
        self._command = ""
        self._act: Callable[[], object] = lambda: None

    def before(self, command: str, act: Callable[[], object]) -> None:
        self._command, self._act = command, act

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == self._command:
            self._command = ""
            self._act()

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...


@pytest.fixture
def meanwhile() -> Meanwhile:
    return Meanwhile()


@pytest.fixture
def watched(
    mongo_uri: str, mongo_database: Database[dict[str, Any]], meanwhile: Meanwhile
) -> Iterator[Connection]:
    with MongoClient[dict[str, Any]](mongo_uri, event_listeners=[meanwhile]) as client:
        yield Connection(client[mongo_database.name], timeout=20)


@pytest.fixture
def tasks(watched: Connection) -> MongoTasks:
    return MongoTasks(watched)


@pytest.fixture
def others(mongo_connection: Connection) -> MongoTasks:
    return MongoTasks(mongo_connection)


def move(tasks: MongoTasks, state: State, source: Source = Source.CALLBACK) -> None:
    before = tasks.load([KEY]).get(KEY)
    after = (before or Task(KEY)).join("r1", START).hear(state, source, START)
    assert tasks.save([Change(before, after)]) == set()


def test_a_task_that_moves_while_its_run_stops_being_quiet_owes_the_move(
    tasks: MongoTasks, others: MongoTasks, meanwhile: Meanwhile
):
    """It was read with nothing to tell, and not owed to a quiet run when it moved."""
    move(others, State.QUEUED)
    others.mark_told("r1", {KEY: 1})
    others.set_quiet("r1", quiet=True)
    meanwhile.before("update", lambda: move(others, State.RUNNING))
    tasks.set_quiet("r1", quiet=False)
    assert tasks.load([KEY])[KEY].owed == {"r1"}
    assert not tasks.load([KEY])[KEY].quiet


def test_an_update_that_comes_between_a_mark_and_its_second_half_stays_owed(
    tasks: MongoTasks, others: MongoTasks, meanwhile: Meanwhile
):
    move(others, State.QUEUED)
    move(others, State.RUNNING)
    meanwhile.before("update", lambda: move(others, State.COMPLETE))
    tasks.mark_told("r1", {KEY: 2})
    task = tasks.load([KEY])[KEY]
    assert task.owed == {"r1"}
    assert task.delivered == {"r1": 2}


def test_a_task_that_comes_back_to_life_while_it_is_forgotten_stays(
    tasks: MongoTasks, others: MongoTasks, meanwhile: Meanwhile
):
    move(others, State.SYSTEM_ERROR)
    others.mark_told("r1", {KEY: 1})
    # A poll corrects it.
    meanwhile.before("delete", lambda: move(others, State.RUNNING, Source.POLL))
    assert tasks.forget(START.replace(year=2030)) == 0
    assert tasks.load([KEY])[KEY].owed == {"r1"}


def test_a_lost_race_is_judged_by_what_is_there_when_it_is_judged(
    tasks: MongoTasks, others: MongoTasks, meanwhile: Meanwhile
):
    """Both write the same, one a moment earlier: nobody has lost."""
    move(others, State.QUEUED)
    meanwhile.before("update", lambda: move(others, State.RUNNING))
    move(tasks, State.RUNNING)
    assert tasks.load([KEY])[KEY].seq == 2


def test_a_task_that_goes_on_while_its_end_is_confirmed_is_still_asked_for(
    tasks: MongoTasks, others: MongoTasks, meanwhile: Meanwhile
):
    move(others, State.COMPLETE)
    meanwhile.before("update", lambda: move(others, State.RUNNING, Source.POLL))
    before = tasks.load([KEY])[KEY]
    after = before.hear(State.COMPLETE, Source.POLL, START)
    assert tasks.save([Change(before, after)]) == set()
    assert [task.key for task in tasks.unsettled("tesk", 10)] == [KEY]


def test_a_server_that_moves_while_it_is_claimed_takes_that_claim_too(
    watched: Connection, mongo_connection: Connection, meanwhile: Meanwhile
):
    servers, others = MongoServers(watched), MongoServers(mongo_connection)
    server = Server("tesk", "https://tesk.example.org", START)
    servers.add(server)
    meanwhile.before("update", lambda: others.claim(server, START))
    moved = replace(server, url="https://new.example.org")
    assert servers.save(moved)
    assert servers.find("tesk") == replace(moved, polling=Polling(claim=2))
    assert not others.polled("tesk", 1, Polling(requests=9))


def test_a_server_that_is_removed_while_it_is_saved_stays_away(
    watched: Connection, mongo_connection: Connection, meanwhile: Meanwhile
):
    servers, others = MongoServers(watched), MongoServers(mongo_connection)
    server = Server("tesk", "https://tesk.example.org", START)
    servers.add(server)
    meanwhile.before("update", lambda: others.remove("tesk"))
    assert not servers.save(replace(server, is_default=True))
    assert servers.list() == []


def test_what_the_database_refuses_is_not_taken_for_a_lost_race(
    mongo_database: Database[dict[str, Any]], others: MongoTasks
):
    """Else it would be tried again for ever, by somebody who waits for an answer."""
    mongo_database.create_collection("tasks", validator={"never": {"$exists": True}})
    change = Change(None, Task(KEY).join("r1", START))
    with pytest.raises(Unavailable):
        others.save([change])
