"""What Cromwell asks of a TES server, asked through the gateway.

Cromwell is in no registry that tests reach. Its requests stand here as version 92 of its
`TesAsyncBackendJobExecutionActor` makes them, and what its JSON formats need of the answers: they
raise where a field is of another type or, being required, is missing or null.
"""

import time

import pytest
import requests

from tests.docs.markdown import REPOSITORY, blocks
from tests.e2e.conditions import until
from tests.engines.tasks import ENDLESS
from tests.tes_sim.running import running_server

RUNNING = "QUEUED 0.2, RUNNING 2, COMPLETE"
FAILING = "QUEUED 0.1, RUNNING 0.2, SYSTEM_ERROR"
PREEMPTED = "QUEUED 0.1, RUNNING 0.2, PREEMPTED"
# All that `getTesStatus` does not know is running to it.
ENDS = {"COMPLETE", "CANCELED", "EXECUTOR_ERROR", "SYSTEM_ERROR"}

TEXTS, NUMBER = [str], (int, float)
FILE = {"path": str, "name?": str, "description?": str, "url?": str, "type?": str}
EXECUTOR_LOG = {"start_time?": str, "end_time?": str, "stdout?": str, "stderr?": str}
SHAPE = {
    "executors": [{"image": str, "command": TEXTS, "workdir?": str, "stdout?": str}],
    "state?": str,
    "inputs?": [{**FILE, "content?": str}],
    "outputs?": [FILE],
    "resources?": {"cpu_cores?": int, "ram_gb?": NUMBER, "disk_gb?": NUMBER, "preemptible?": bool},
    "logs?": [
        {
            "start_time?": str,
            "logs?": [{**EXECUTOR_LOG, "exit_code?": int}],
            "outputs?": [{"url": str, "path": str, "size_bytes?": str}],
            "system_logs?": TEXTS,
        }
    ],
}
MINIMAL = {"id": str, "state": str}


def read(shape, value):
    """What Cromwell's formats do with it; they look past fields that they do not know."""
    if isinstance(shape, list):
        assert isinstance(value, list)
        return [read(shape[0], one) for one in value]
    if isinstance(shape, dict):
        for name, inner in shape.items():
            if not name.endswith("?") or value.get(name[:-1]) is not None:
                read(inner, value[name.rstrip("?")])
        return value
    assert isinstance(value, shape), value
    return value


class Cromwell:
    """`endpoint` is what stands in `backend.providers.TES.config`, and is that of the tasks."""

    def __init__(self, endpoint, *, token=None):
        self.endpoint = endpoint
        self._session = requests.Session()
        self._session.headers = {"User-Agent": "akka-http/10.1.15"}
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def execute(self, script):
        return read({"id": str}, self._ask("POST", "", json=_task(script)))["id"]

    def full(self, task_id):
        return read(SHAPE, self._ask("GET", f"/{task_id}?view=FULL"))

    def minimal(self, task_id):
        return read(MINIMAL, self._ask("GET", f"/{task_id}?view=MINIMAL"))

    def abort(self, task_id):
        assert isinstance(self._ask("POST", f"/{task_id}:cancel"), dict)

    def _ask(self, method, path, **rest):
        answer = self._session.request(method, self.endpoint + path, timeout=10, **rest)
        answer.raise_for_status()
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        return answer.json()


def until_ended(view, task_id):
    """How often it asked, and the state that it found."""
    asked = 0
    while True:
        asked += 1
        if (state := view(task_id)["state"]) in ENDS:
            return asked, state
        time.sleep(0.05)


def _task(script):
    """As of `TesTask.makeTask`: options that are empty are left out, but not those in `tags`."""
    root = "/cromwell-executions/w/0b1c/call-align/execution"
    names = ["rc", "stdout", "stderr"]
    return {
        "name": "w.align",
        "description": "0b1c:w.align:-1:1",
        "inputs": [
            {**_file("commandScript", root, "script"), "description": "align.commandScript"}
        ],
        "outputs": [_file(name, root, name) for name in names],
        "resources": {
            "cpu_cores": 1,
            "ram_gb": 2.0,
            "disk_gb": 2.0,
            "preemptible": False,
            "backend_parameters": {"internal_path_prefix": "/cromwell-executions/w/0b1c/tes_task"},
        },
        "executors": [
            {
                "image": "ubuntu:latest",
                "command": ["/bin/bash", f"{root}/script"],
                "stdout": f"{root}/stdout",
                "stderr": f"{root}/stderr",
            }
        ],
        "tags": {
            "workflow_id": "0b1c",
            "root_workflow_id": "0b1c",
            "parent_workflow_id": None,
            "tes-sim": script,
        },
    }


def _file(name, root, path):
    return {"name": name, "url": f"{root}/{path}", "path": f"{root}/{path}", "type": "FILE"}


@pytest.fixture
def funnel():
    with running_server("funnel") as server:
        yield server


def test_the_page_names_what_cromwell_takes_for_its_endpoint():
    ((_, config),) = blocks(REPOSITORY / "docs/integrations/cromwell.md", "hocon")
    # `/v1`, where the gateway says SYSTEM_ERROR for PREEMPTED.
    assert 'endpoint = "http://127.0.0.1:8080/v1/tasks"' in config


def test_cromwell_before_88_is_answered_without_the_server_being_asked_each_time(register, funnel):
    cromwell = Cromwell(register(funnel, access="open") + "/v1/tasks")
    asked, state = until_ended(cromwell.minimal, cromwell.execute(RUNNING))
    assert state == "COMPLETE"
    assert sum(funnel.counts.values()) < asked / 2


def test_cromwell_since_88_asks_for_logs_which_only_the_server_has(register, funnel):
    """Until it knows the price of a machine, which Azure's server alone tells."""
    cromwell = Cromwell(register(funnel, access="open") + "/v1/tasks")
    task_id = cromwell.execute(RUNNING)
    asked, state = until_ended(cromwell.full, task_id)
    assert state == "COMPLETE"
    assert funnel.counts["GetTask"] >= asked


def test_a_server_refuses_what_cromwell_writes_for_want_of_a_parent_workflow(register, funnel):
    with pytest.raises(requests.HTTPError, match="400"):
        Cromwell(f"{funnel.url}/v1/tasks").execute(RUNNING)
    Cromwell(register(funnel, access="open") + "/v1/tasks").execute(RUNNING)
    (task,) = funnel.core.tasks()
    assert "parent_workflow_id" not in task.body["tags"]
    assert task.body["tags"]["workflow_id"] == "0b1c"


def test_cromwell_reads_why_its_task_failed(register, funnel):
    cromwell = Cromwell(register(funnel, access="open") + "/v1/tasks")
    task_id = cromwell.execute(FAILING)
    assert until_ended(cromwell.full, task_id)[1] == "SYSTEM_ERROR"
    logs = until(lambda: cromwell.full(task_id).get("logs"))
    assert until(lambda: cromwell.full(task_id)["logs"][-1].get("system_logs")), logs


def test_cromwell_sees_the_end_of_a_task_that_was_preempted(register):
    """At the server itself it would be running for ever."""
    with running_server("strict") as server:
        cromwell = Cromwell(register(server, access="open") + "/v1/tasks")
        task_id = cromwell.execute(PREEMPTED)
        assert until_ended(cromwell.minimal, task_id)[1] == "SYSTEM_ERROR"
        assert cromwell.full(task_id)["state"] == "SYSTEM_ERROR"


def test_cromwell_aborts_its_task(register, funnel):
    cromwell = Cromwell(register(funnel, access="open") + "/v1/tasks")
    task_id = cromwell.execute(ENDLESS)
    cromwell.abort(task_id)
    assert until_ended(cromwell.minimal, task_id)[1] == "CANCELED"


def test_cromwell_shows_a_token_of_the_service(system, register, funnel):
    endpoint = register(funnel) + "/v1/tasks"
    cromwell = Cromwell(endpoint, token=system.client.token)
    assert until_ended(cromwell.minimal, cromwell.execute("COMPLETE"))[1] == "COMPLETE"
    with pytest.raises(requests.HTTPError, match="401"):
        Cromwell(endpoint).execute(RUNNING)
