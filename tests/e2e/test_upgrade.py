"""This version of the service on what an earlier one has left behind."""

import subprocess
from urllib.parse import urlsplit

import pytest
import requests

from callback_service.adapters.mongo.schema import VERSION
from tests.e2e.conditions import until
from tests.e2e.processes import COMMAND, clean_environ
from tests.e2e.system import call_back
from tests.upgrade.old_data import load

DATABASE = "callback-service"


def why_not_ready(system):
    try:
        return system.client.ask("GET", "/readyz").text
    except requests.ConnectionError:
        return "it does not listen yet"


@pytest.fixture(scope="module")
def broker():
    return "folder"


@pytest.fixture
def stopped(system):
    """The system without what it did so far; only its database runs."""
    for process in (*system.workers, *system.apis):
        process.end()
    with system.database.client() as client:
        client.drop_database(DATABASE)
        yield system, client[DATABASE]
        client.drop_database(DATABASE)


def test_runs_of_before_go_on_as_if_nothing_had_been(stopped, new_receiver):
    system, database = stopped
    old = load(database)
    system.revive()
    client = system.client

    # What was owed is told, to where the run's receiver is now.
    receiver = new_receiver()
    owed = old["runs"]["down"]
    secret = database["runs"].find_one({"_id": owed})["secrets"][0]["value"]
    receiver.trust(secret)
    sink = {"type": "http", "url": receiver.url}
    assert client.ask("PATCH", f"/v1/runs/{owed}", {"sink": sink}).ok
    receiver.until_told("owed", "QUEUED", "RUNNING")

    # The callback URLs that TES servers were given are good, and numbers go on.
    path = urlsplit(old["callback_urls"]["down"]).path
    assert call_back(system.api.url + path, "owed", "COMPLETE").status_code == 204
    receiver.until_told("owed", "QUEUED", "RUNNING", "COMPLETE")
    updates = client.get(f"/v1/runs/{owed}/updates")["updates"]
    assert [one["seq"] for one in updates if one["task_id"] == "owed"] == [1, 2, 3]

    # What a run has read before may be read again; paused is still paused.
    pulled = client.get(f"/v1/runs/{old['runs']['pulled']}")
    assert pulled["status"] == "paused"
    history = client.get("/v1/tasks/funnel/ended")["history"]
    assert [one["state"] for one in history][-1] == "COMPLETE"

    # Workers have brought the rest up to date, and need nobody for it.
    until(lambda: (database["schema"].find_one() or {}).get("version") == VERSION)


def test_workers_leave_alone_what_a_newer_version_wrote(stopped):
    system, database = stopped
    database["schema"].insert_one({"_id": "version", "version": VERSION + 1})
    environ = {**clean_environ(), "MONGO_URI": system.database.uri}
    for command in ("worker", "migrate", "init"):
        done = subprocess.run(
            [*COMMAND, command],
            env={**environ, **system.worker.environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in {1, 2}
        assert f"schema {VERSION + 1}" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
    system.api.start()
    until(lambda: not system.api.is_ready() and "schema" in why_not_ready(system))


def test_an_operator_can_bring_it_up_to_date_himself(stopped):
    system, database = stopped
    load(database)
    said = subprocess.run(
        [*COMMAND, "migrate"],
        env={**clean_environ(), **system.worker.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert said == "tasks to be asked for: 5 changed\n"
