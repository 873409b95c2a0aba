"""Who comes without a token is somebody only where the setting says that nobody needs one."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pymongo.database import Database

from callback_service import wiring
from callback_service.app import build_app
from callback_service.wiring import Configured
from tests.api.service import environ, environment


@pytest.fixture(params=["on", "off"])
def auth(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def configured(
    auth: str, mongo_uri: str, mongo_database: Database[dict[str, Any]], tmp_path: Path
) -> Configured:
    with environ(environment(mongo_uri, mongo_database.name, tmp_path) | {"CALLBACK_AUTH": auth}):
        return wiring.load()


@pytest.fixture
def app(
    configured: Configured,
    mongo_uri: str,
    mongo_database: Database[dict[str, Any]],
    tmp_path: Path,
) -> Flask:
    # A setting of the framework, beside ours: controllers are called without anybody being asked.
    for spec in configured.foca.conf.api.specs:
        spec.disable_auth = True
    with environ(environment(mongo_uri, mongo_database.name, tmp_path)):
        return build_app(configured)


@pytest.mark.services
def test_nobody_is_the_local_owner_because_a_token_was_not_asked_for(app: Flask, auth: str):
    answer = app.test_client().get("/v1/runs")
    assert answer.status_code == {"on": 401, "off": 200}[auth]


@pytest.mark.services
def test_and_which_servers_there_are_is_said_to_nobody_where_tokens_are_asked_for(
    app: Flask, auth: str
):
    answer = app.test_client().get("/gateway/nobodys/tasks")
    assert answer.status_code == 404
    said = answer.json["detail"]
    assert said.startswith("no server 'nobodys' is registered")
    assert said.endswith("there is none") == (auth == "off")
