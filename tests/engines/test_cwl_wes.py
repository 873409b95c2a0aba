"""Runs of cwl-WES, whose worker finds the launcher where it looks for cwl-tes."""

import itertools
import os
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from callback_client.cwl_wes import AFTER_THE_END

from tests.docs.markdown import REPOSITORY, blocks
from tests.e2e.conditions import until
from tests.e2e.processes import BIN
from tests.e2e.system import running_system
from tests.engines.cwl_tes import WORKFLOW, cwl_tes
from tests.engines.cwl_wes import Worker, until_told
from tests.tes_sim.running import running_server
from tests.venvs import clean_environ

TOOL = WORKFLOW.with_name("say.cwl")
NOBODY = "http://127.0.0.1:9"
PAGE = REPOSITORY / "docs/integrations/cwl-wes.md"
# As cwl-WES makes them.
run_ids = (f"A{number:05}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def runs(mongo_uri, mongo_client):
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield mongo_client[name]["runs"]
    mongo_client.drop_database(name)


@pytest.fixture(scope="module")
def system(tmp_path_factory, mongo_uri, runs):
    """A service that knows the database of cwl-WES by the name of the documents."""
    folder = tmp_path_factory.mktemp("service")
    uri = folder / "uri"
    uri.write_text(mongo_uri)
    target = {"uri_file": str(uri), "database": runs.database.name}
    with running_system(folder, cwl_wes={"targets": {"cwl": target}}) as one:
        yield one


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    script = "QUEUED 0.1, INITIALIZING 0.1, RUNNING, COMPLETE"
    with running_server("funnel", execute=folder, script=script, callbacks=True) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(system, server):
    wish = {"name": "sim", "url": server.url, "access": "open", "calls_back": "yes"}
    return system.client.post("/v1/servers", wish)["gateway_url"]


@pytest.fixture(scope="module")
def wrapper(tmp_path_factory):
    """The script of the documents in a folder of its own."""
    folder = tmp_path_factory.mktemp("wrapper")
    ((_, text),) = blocks(PAGE, "sh")
    folder.joinpath("cwl-tes").write_text(text)
    folder.joinpath("cwl-tes").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def run(system, runs, gateway, wrapper, tmp_path_factory):
    """Start a run: `run("0.5", late=True)`, or whatever else `Execution.start` takes."""
    with ExitStack() as stack:

        def run(seconds="0.5", *, launcher=True, environ=None, **how):
            folders = [wrapper] if launcher else []
            path = [*folders, cwl_tes().parent, BIN, os.environ["PATH"]]
            ours = {
                "CALLBACK_SERVICE_URL": system.api.url,
                "CALLBACK_API_TOKEN": system.client.token,
                "CALLBACK_CWL_WES": "cwl",
                "NO_PROXY": "*",
                "PATH": os.pathsep.join(map(str, path)),
            }
            folder = tmp_path_factory.mktemp("worker")
            worker = Worker(runs, folder, gateway, {**clean_environ(), **ours, **(environ or {})})
            folder.joinpath("text.txt").write_text("text of a file\n")
            text = {"class": "File", "location": folder.joinpath("text.txt").as_uri()}
            wanted = {"seconds": seconds, "text": text, "numbers": [7]}
            execution = worker.accept(next(run_ids), WORKFLOW, wanted, TOOL)
            execution.start(**how)
            stack.callback(execution.kill)
            return execution

        yield run


def runs_of(system, execution):
    """Those at the service, of which each is named after the run at cwl-WES."""
    found = system.client.get(f"/v1/runs?name_prefix={execution.wes.run_id}")["runs"]
    return [system.client.get(f"/v1/runs/{one['id']}") for one in found]


def said_by_us(execution):
    phrases = ("callback-exec:", "the TES server meanwhile", "is back", "is not told")
    return [line for line in execution.lines if any(one in line for one in phrases)]


def check_complete(execution):
    """The end is as cwl-WES makes it, with what its engine printed."""
    assert execution.end() == 0, execution.said
    (log,) = execution.wes.logs()
    assert log["state"] == "COMPLETE"
    # What it did not see, it has from us.
    assert ([log["id"]] if "executors" in log else []) == list(execution.seen)
    assert execution.wes.state() == "COMPLETE"
    ((file,),) = execution.outputs.values()
    said = Path(file["location"].removeprefix("file://")).read_text()
    assert said == "text of a file\nnumber 7\n"


def test_runs_register_themselves_and_their_documents_move(system, run):
    """Two of one worker: one that cwl-WES writes as well, and one whose engine it cannot read."""
    late, other = run("3", late=True), run("1", legible=False)
    until(lambda: late.wes.state() == "RUNNING")
    assert "task_started" not in late.wes.document()["internal"]
    until(late.wes.logs)
    late.wes.start()
    until_told(late.wes, "RUNNING")
    for execution in (late, other):
        check_complete(execution)
        (shown,) = runs_of(system, execution)
        wanted = {"type": "cwl-wes", "target": "cwl", "wes_run_id": execution.wes.run_id}
        assert shown["sink"] == wanted
        assert shown["tasks"] == {"COMPLETE": 1}
        (told,) = execution.wes.document()["callback_service"]["told"].values()
        assert told > 1
        assert said_by_us(execution) == []
        # Nothing of it stays for long.
        left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
        assert left < timedelta(seconds=AFTER_THE_END + 60)


def test_a_run_goes_on_without_its_engine_and_with_the_next_one(system, run):
    execution = run("2")
    until(lambda: execution.seen and execution.wes.logs())
    execution.lose()
    (before,) = execution.seen
    until_told(execution.wes, "COMPLETE")
    assert execution.wes.state() == "RUNNING"
    (first,) = runs_of(system, execution)
    execution.seen.clear()
    execution.start()
    # Both engines' tasks are there until cwl-WES writes down those of the one that has ended.
    until(lambda: len({log["id"] for log in execution.wes.logs()}) == 2)
    check_complete(execution)
    (second,) = runs_of(system, execution)
    assert second["id"] == first["id"]
    assert second["tasks"] == {"COMPLETE": 2}
    assert before not in execution.seen


def test_whatever_is_wrong_the_workflow_runs(system, run, server):
    """Three at once: the service is away, it knows no such database, there is no launcher."""
    away = run(environ={"CALLBACK_SERVICE_URL": NOBODY})
    unknown = run(environ={"CALLBACK_CWL_WES": "other"})
    alone = run(launcher=False)
    for execution in (away, unknown, alone):
        check_complete(execution)
        assert "callback_service" not in execution.wes.document()
    (line,) = said_by_us(away)
    assert "asking the TES server meanwhile" in line
    (line,) = said_by_us(unknown)
    assert "no target 'other' is configured" in line
    (plain,) = runs_of(system, unknown)
    assert (plain["sink"], plain["tasks"]) == ({"type": "none"}, {"COMPLETE": 1})
    # What it has submitted through the gateway, the service knows of all the same.
    assert said_by_us(alone) == []
    assert runs_of(system, alone) == []
    (task_id,) = alone.seen
    assert f"task={task_id} state=COMPLETE" in system.api.text()
