"""What Nextflow asks by its plugin nf-ga4gh 1.4.2, asked through the gateway.

Nextflow is in no registry that tests reach. Its requests stand here as `TesTaskHandler` and the
plugin's generated client make them, and what the client needs of the answers.
"""

import time

import pytest
import requests

from tests.docs.markdown import REPOSITORY, blocks
from tests.e2e.conditions import until
from tests.engines.tasks import ENDLESS, SHORT
from tests.tes_sim.running import running_server

# `TesState` of TES 1.1, but `COMPLETE_STATUSES` of 1.0: what else a task may end as is waited on.
ENDS = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"}
FAILING = "QUEUED 0.1, RUNNING 0.2, EXECUTOR_ERROR"
# What Nextflow takes for the exit status where the server has no log yet.
UNREADABLE = 2**31 - 1
PREEMPTED = "QUEUED 0.1, RUNNING 0.2, PREEMPTED"


class Nextflow:
    """`endpoint` and how it is let in are what stands in the scope `tes` of `nextflow.config`."""

    def __init__(self, endpoint, *, token=None, basic=None, query=None):
        self.endpoint = endpoint
        self._query = query or {}
        self._session = requests.Session()
        self._session.auth = basic
        self._session.headers = {
            "Accept": "application/json",
            # The generated client says so of requests without a body, too. Of texts it says more.
            "Content-Type": "application/json",
            "User-Agent": "Swagger-Codegen/1.0.0/java",
            "Accept-Encoding": "gzip",
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }

    def submit(self, script, **tags):
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return self._ask("POST", "/v1/tasks", json=_task(script, tags), headers=kind)["id"]

    def get(self, task_id, view=None):
        query = {"view": view} if view else {}
        return self._ask("GET", f"/v1/tasks/{task_id}", params={**query, **self._query})

    def kill(self, task_id):
        self._ask("POST", f"/v1/tasks/{task_id}:cancel", data=b"")

    def wait(self, task_id):
        """How often it asked for the task until it had ended, and the exit status that it reads."""
        asked = 0
        while True:
            asked += 1
            if self.get(task_id)["state"] in ENDS:
                return asked, self._exit_status(task_id)
            time.sleep(0.05)

    def _exit_status(self, task_id):
        task = self.get(task_id, "FULL")
        if task["state"] == "COMPLETE":
            return 0
        try:
            log = task["logs"][0]["logs"][0]
        except LookupError:
            return UNREADABLE
        return log["exit_code"] if task["state"] == "EXECUTOR_ERROR" else 1

    def _ask(self, method, path, **rest):
        answer = self._session.request(method, self.endpoint + path, timeout=10, **rest)
        answer.raise_for_status()
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        return answer.json()


def _task(script, tags):
    """As of `newTesTask`; Gson leaves out what is null."""
    work = "file:///data/work/3a/abc"
    return {
        "name": "align (1)",
        "inputs": [
            {"url": f"{work}/.command.sh", "path": "/work/.command.sh", "type": "FILE"},
            {"url": f"{work}/.command.run", "path": "/work/.command.run", "type": "FILE"},
        ],
        "outputs": [
            {"url": f"{work}/.command.out", "path": "/work/.command.out"},
            {"url": f"{work}/.exitcode", "path": "/work/.exitcode"},
            {"url": work, "path": "/work/*.bam", "path_prefix": "/work", "type": "FILE"},
        ],
        "resources": {"cpu_cores": 1, "ram_gb": 2.0},
        "executors": [
            {
                "image": "quay.io/nextflow/bash",
                "command": ["bash", "-o", "pipefail", "-c", "bash /work/.command.run"],
                "workdir": "/work",
            }
        ],
        "tags": {"tes-sim": script, **tags},
    }


def test_the_page_names_what_nextflow_takes_for_its_endpoint():
    ((_, config),) = blocks(REPOSITORY / "docs/integrations/nextflow.md", "groovy")
    assert "process.executor = 'tes'" in config
    # Its client appends `/v1/tasks` to what stands there.
    assert "tes.endpoint = 'http://127.0.0.1:8080'" in config


def test_nextflow_is_answered_without_the_server_being_asked_each_time(register):
    with running_server("funnel") as server:
        nextflow = Nextflow(register(server, access="open"))
        asked, status = nextflow.wait(nextflow.submit("QUEUED 0.2, RUNNING 2, COMPLETE"))
        assert status == 0
        assert sum(server.counts.values()) < asked / 2


def test_nextflow_reads_how_its_task_failed(register):
    with running_server("funnel") as server:
        nextflow, alone = Nextflow(register(server, access="open")), Nextflow(server.url)
        task_id = nextflow.submit(FAILING)
        until(lambda: nextflow.wait(task_id)[1] != UNREADABLE)
        assert nextflow.wait(task_id)[1] == alone.wait(task_id)[1]


def test_nextflow_sees_the_end_of_a_task_that_was_preempted(register):
    """At the server itself it would wait for ever: it does not count that as an end."""
    with running_server("strict") as server:
        nextflow = Nextflow(register(server, access="open"))
        task_id = nextflow.submit(PREEMPTED)
        until(lambda: server.states()[task_id] == "PREEMPTED")
        assert nextflow.wait(task_id)[1] in {1, UNREADABLE}


def test_nextflow_kills_its_task(register):
    with running_server("funnel") as server:
        nextflow = Nextflow(register(server, access="open"))
        task_id = nextflow.submit(ENDLESS)
        nextflow.kill(task_id)
        nextflow.wait(task_id)
        assert server.states()[task_id] == "CANCELED"


def test_nextflow_shows_a_token_as_one_or_as_a_password(system, register):
    with running_server("funnel", basic="alice:secret") as server:
        token = system.client.token
        gateway = register(server, access="pass")
        Nextflow(gateway, basic=("alice", "secret")).submit(SHORT)
    with running_server("funnel") as server:
        gateway = register(server)
        run = system.client.register(server=gateway.rpartition("/")[2])
        for how in ({"token": token}, {"basic": ("anybody", token)}):
            Nextflow(gateway, **how).submit(SHORT, **{"callback-service-run": run.id})
        assert sum(run.show()["tasks"].values()) == 2
        with pytest.raises(requests.HTTPError, match="401"):
            Nextflow(gateway).submit(SHORT)
        with pytest.raises(requests.HTTPError, match="401"):
            Nextflow(gateway, query={"api_key": token}).get("task")
