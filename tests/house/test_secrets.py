"""What opens something is in no line of the log."""

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from callback_service.entrypoints.logs import WideFormatter
from tests.api.service import PASSWORD, TOKENS, Service, app_of, environment


@pytest.fixture
def service(
    mongo_uri: str, mongo_client: MongoClient[dict[str, Any]], tmp_path: Path
) -> Iterator[Service]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield Service(app_of(environment(mongo_uri, name, tmp_path)))
    mongo_client.drop_database(name)


def test_neither_tokens_nor_secrets_are_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    headers = {"Authorization": "Bearer of-the-receiver"}
    sink = {"type": "http", "url": "http://127.0.0.1:9/?key=in-the-url", "headers": headers}
    run = service.register({"sink": sink})
    keys = service.ask("rotate_run", {"overlap": 0}, run_id=run["id"]).json
    assert service.call_back(keys, "job-1", "RUNNING").status_code == 204
    assert service.call_back(run, "job-1", "COMPLETE").status_code == 404
    assert service.call_back(keys, "", "COMPLETE").status_code == 400
    service.call("GET", "/v1/runs", headers={"Authorization": "Bearer of-nobody"})
    service.ask("change_run", {"sink": sink | {"url": "ftp://x/?key=in-the-url"}}, run_id=run["id"])
    server = {"name": "tesk", "url": "http://127.0.0.1:9", "credentials": "hpc"}
    assert PASSWORD not in service.ask("register_server", server, token="admin").text

    format_line = WideFormatter().format
    lines = "\n".join(map(format_line, caplog.records))
    assert "callback.received" in lines
    assert "callback.refused" in lines
    hidden = ["of-the-receiver", "of-nobody", "in-the-url", PASSWORD, *TOKENS.values()]
    for one in (run, keys):
        hidden += [one["secret"], one["callback_url"].rpartition(".")[2]]
    assert [secret for secret in hidden if secret in lines] == []
