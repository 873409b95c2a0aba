"""proTES, told of its tasks: the code of docs/integrations/protes.md against real documents.

proTES itself is in no registry. What it keeps and hands to its Celery task is written down here as
its `task_runs.py` (0.2.0) makes it.
"""

import base64
import json
import os
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from callback_client.signature import webhook_headers

from tests.e2e.conditions import until
from tests.engines.clients import NEW, installed
from tests.engines.tasks import ENDLESS, SHORT, new_task
from tests.ports import free_port
from tests.services import mongo_client, mongo_database, mongo_uri
from tests.tes_sim.running import running_server
from tests.venvs import TOP, clean_environ

__all__ = ["mongo_client", "mongo_database", "mongo_uri"]

EXAMPLES = TOP / "docs" / "integrations" / "examples"
PROGRAM = Path(__file__).parent / "programs" / "foca_and_celery.py"
VARIANTS = ["told", "waiting"]
FAILING = "QUEUED 0.1, RUNNING 0.2, EXECUTOR_ERROR"
PREEMPTED = "QUEUED 0.1, RUNNING 0.2, PREEMPTED"


class ProTes:
    """Its database, and what its API does once a TES server has taken a task."""

    def __init__(self, tasks, process, url, secret):
        self._tasks = tasks
        self._process = process
        self.url = url
        self.secret = secret

    def forward(self, host, script=SHORT):
        """The id that clients of proTES know, which is not the server's."""
        body, names = new_task(script), (uuid.uuid4().hex[:6].upper(), str(uuid.uuid4()))
        answer = requests.post(f"{host}/ga4gh/tes/v1/tasks", json=body, timeout=10)
        remote = answer.json()["id"]
        self._tasks.insert_one(_document(*names, body, host, remote))
        handed = {"worker_id": names[1], "remote_host": host, "remote_task_id": remote}
        handed |= {"remote_base_path": "", "user": None, "password": None}
        self._process.stdin.write(f"{json.dumps(handed)}\n")
        self._process.stdin.flush()
        return names[0]

    def task(self, task_id):
        return self._tasks.find_one({"task.id": task_id})["task"]

    def server_of(self, task_id):
        return self._tasks.find_one({"task.id": task_id})["callback"]["server"]

    def until(self, task_id, state):
        until(lambda: self.task(task_id)["state"] == state, what=lambda: self.task(task_id))

    def until_logged(self, task_id):
        return until(lambda: self.task(task_id)["logs"][0]["logs"])


def _document(task_id, worker_id, body, host, remote):
    log = {"logs": [], "start_time": "06-12-2025 14:30:00", "outputs": [], "system_logs": []}
    log["metadata"] = {"forwarded_to": {"url": host, "id": remote, "forwarded_to": None}}
    return {
        "task": {**body, "id": task_id, "state": "UNKNOWN", "logs": [log]},
        "task_original": body,
        "user_id": None,
        "worker_id": worker_id,
        "basic_auth": {},
        "tes_endpoint": {"host": host, "base_path": ""},
    }


def _config(port):
    """The sections of `pro_tes/config.yaml`, with the lines that the page adds to it."""
    spec = {
        "path": str(EXAMPLES / "protes" / "updates.openapi.yaml"),
        "add_operation_fields": {"x-openapi-router-controller": "protes.told"},
        "disable_auth": True,
        "connexion": {"strict_validation": True, "validate_responses": False},
    }
    return {
        "server": {"host": "127.0.0.1", "port": port, "debug": False},
        "db": {
            "host": "127.0.0.1",
            "port": 1,
            "dbs": {"taskStore": {"collections": {"tasks": {}}}},
        },
        "jobs": {"host": "127.0.0.1", "port": 1, "backend": "rpc://", "include": []},
        "api": {"specs": [spec]},
    }


@contextmanager
def running_protes(variant, folder, system, mongo_uri, database):
    port = free_port()
    url = f"http://127.0.0.1:{port}/updates"
    run = system.client.register(url)
    config = folder / "config.yaml"
    config.write_text(json.dumps(_config(port)))
    beside = next(installed(NEW).parents[1].glob("lib/python*/site-packages"))
    environ = {
        **clean_environ(),
        "PYTHONPATH": f"{EXAMPLES}:{TOP}:{beside}",
        "MONGO_URI": mongo_uri,
        "MONGO_DBNAME": database.name,
        "CELERY_BROKER_URL": "memory://",
        "CALLBACK_SERVICE_URL": system.api.url,
        "CALLBACK_API_TOKEN": system.client.token,
        "CALLBACK_RUN_ID": run.id,
        "CALLBACK_SECRET": run.secret,
    }
    log = folder / "protes.log"
    with (
        log.open("wb") as err,
        subprocess.Popen(
            [sys.executable, PROGRAM, config, variant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            env=environ,
        ) as process,
    ):
        try:
            assert process.stdout.readline() == "ready\n", log.read_text()
            yield ProTes(database["tasks"], process, url, run.secret)
        finally:
            process.kill()


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture
def protes(variant, tmp_path, system, mongo_uri, mongo_database):
    with running_protes(variant, tmp_path, system, mongo_uri, mongo_database) as one:
        yield one


def test_protes_writes_what_its_polling_would_write(protes, register):
    with running_server("funnel") as server:
        gateway = register(server, access="open")
        # The server or the gateway may stand in its `tes.service_list`.
        ended, failed = protes.forward(server.url), protes.forward(gateway, FAILING)
        endless, taken = protes.forward(server.url, ENDLESS), protes.forward(gateway, PREEMPTED)
        protes.until(ended, "COMPLETE")
        protes.until(failed, "EXECUTOR_ERROR")
        protes.until(endless, "RUNNING")
        # Its clients would be refused the word.
        protes.until(taken, "SYSTEM_ERROR")
        (log,) = protes.until_logged(ended)
        assert log["exit_code"] == 0
        protes.until_logged(failed)
        assert not protes.task(endless)["logs"][0]["logs"]


@pytest.mark.parametrize("variant", ["told"], indirect=True)
def test_protes_takes_only_what_the_service_has_signed(protes, register):
    with running_server("funnel") as server:
        register(server, access="open")
        task_id = protes.forward(server.url, ENDLESS)
        protes.until(task_id, "RUNNING")
        (remote,) = server.states()
        update = {"server": protes.server_of(task_id), "task_id": remote, "state": "COMPLETE"}
        body = json.dumps({"updates": [{**update, "final": True}]})
        sent = {"Content-Type": "application/json", **signed(body, new_secret())}
        assert requests.post(protes.url, body, headers=sent, timeout=10).status_code == 401
        sent.update(signed(body, protes.secret))
        assert requests.post(protes.url, body, headers=sent, timeout=10).status_code == 204
        protes.until(task_id, "COMPLETE")


def signed(body, secret):
    return webhook_headers("msg_1", int(time.time()), body, secret)


def new_secret():
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()
