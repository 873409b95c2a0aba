"""The real app over a real database, as its callers see it."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from flask import Flask
from pymongo.database import Database
from werkzeug.test import TestResponse

from callback_service import wiring
from callback_service.app import build_app
from callback_service.domain.capability import hash_token
from tests.api.contract import OPERATIONS, check_answer
from tests.ports import free_port
from tests.services import STARTING

JSON = "application/json"
TOKENS = {name: f"cbs_{name}_{secrets.token_hex(8)}" for name in ("admin", "user", "read", "other")}
# Of the credentials `hpc`, with which TES servers are reached, and of the target `cwl`.
PASSWORD = secrets.token_hex(8)
OWNERS = {"admin": "alice", "user": "alice", "read": "alice", "other": "bob"}


def write_tokens(folder: Path) -> Path:
    roles = {name: "user" if name == "other" else name for name in TOKENS}
    path = folder / "tokens.yaml"
    path.write_text(
        yaml.safe_dump(
            [
                {"hash": hash_token(token), "owner": OWNERS[name], "role": roles[name]}
                for name, token in TOKENS.items()
            ]
        )
    )
    return path


def write_credentials(folder: Path) -> Path:
    path = folder / "credentials.yaml"
    path.write_text(yaml.safe_dump({"hpc": {"username": "service", "password": PASSWORD}}))
    return path


def write_config(folder: Path) -> Path:
    path = folder / "own.yaml"
    target = {"uri_env": "CWL_WES_URI"}
    path.write_text(yaml.safe_dump({"custom": {"cwl_wes": {"targets": {"cwl": target}}}}))
    return path


def environment(mongo_uri: str, database: str, folder: Path) -> dict[str, str]:
    return {
        "MONGO_URI": mongo_uri,
        "MONGO_DBNAME": database,
        "CELERY_BROKER_URL": "filesystem://",
        "CALLBACK_BROKER_FOLDER": str(folder / "broker"),
        "CALLBACK_API_TOKENS_FILE": str(write_tokens(folder)),
        "CALLBACK_CREDENTIALS_FILE": str(write_credentials(folder)),
        "CALLBACK_EGRESS_ALLOW": "127.0.0.0/8",
        "CALLBACK_CONFIG": str(write_config(folder)),
        "CWL_WES_URI": f"mongodb://service:{PASSWORD}@127.0.0.1:9/",
    }


@contextmanager
def environ(variables: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def app_of(variables: Mapping[str, str]) -> Flask:
    with environ(variables):
        return build_app(wiring.load())


@contextmanager
def served(variables: Mapping[str, str]) -> Iterator[str]:
    """`callback-service serve` as a process of its own; its URL."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "callback-service"), "serve"]
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with subprocess.Popen([*command, *arguments], env=os.environ | variables) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/healthz", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(url, timeout=5)
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the API did not start")


class Service:
    """What a caller does, by the names of tokens; and what the database holds then."""

    def __init__(self, app: Flask, database: Database[dict[str, Any]] | None = None) -> None:
        self.app = app
        self.database = database
        self._client = app.test_client()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "user",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> TestResponse:
        sent = {"Authorization": f"Bearer {TOKENS[token]}"} if token else {}
        if body is not None:
            more["json"] = body
        return self._client.open(path, method=method, headers={**sent, **(headers or {})}, **more)

    def ask(
        self, operation: str, body: Any = None, /, *, query: str = "", **more: Any
    ) -> TestResponse:
        """Call an operation; what fills its path is among the arguments. The answer is checked."""
        described = OPERATIONS[operation]
        places = {name: str(more.pop(name)) for name in described.names("path")}
        path = described.path.format(**places)
        answer = self.call(described.method, path, body, query_string=query, **more)
        check_answer(operation, answer)
        return answer

    def register(self, body: Any = None, *, token: str = "user") -> dict[str, Any]:
        answer = self.call("POST", "/v1/runs", body or {}, token=token)
        assert answer.status_code == 201, answer.text
        run: dict[str, Any] = answer.json
        return run

    def call_back(self, run: Mapping[str, Any], task_id: str, state: str) -> TestResponse:
        path = urlsplit(run["callback_url"]).path
        return self.call("POST", path, {"id": task_id, "state": state}, token=None)

    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """Everything but the ticks: a probe of readiness leaves its mark there."""
        assert self.database is not None
        return {
            name: list(self.database[name].find().sort("_id"))
            for name in self.database.list_collection_names()
            if name != "ticks"
        }
