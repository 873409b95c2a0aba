"""A program on py-tes, unmodified, started by the launcher."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from callback_service.domain.states import State
from tests.e2e.conditions import until
from tests.engines.clients import NEW, OLD, installed
from tests.engines.counting import Counting
from tests.engines.tasks import ENDLESS
from tests.tes_sim.running import running_server
from tests.venvs import clean_environ

PROGRAMS = Path(__file__).parent / "programs"
WORKFLOW, PY_TES = PROGRAMS / "workflow.py", PROGRAMS / "py_tes.py"
LAUNCHER = [sys.executable, "-m", "callback_client.exec"]
# Long enough for whoever looks every second to see all of it.
STEADY = "QUEUED 0.5, RUNNING 2, COMPLETE"
NOBODY = "http://127.0.0.1:9"

_seeds = itertools.count(1)

ways = pytest.mark.parametrize("how", ["look", "wait"])


class Program:
    """A run of `workflow.py`, whose tasks are known as soon as it has submitted them."""

    def __init__(self, process, count):
        self.process = process
        self.submitted = dict(reversed(self._line().split()) for _ in range(count))

    def _line(self):
        return self.process.stdout.readline()

    def end(self):
        """Its exit code, the states of its tasks, and what it said besides."""
        said, complained = self.process.communicate(timeout=60)
        return self.process.returncode, said.split(), complained


@pytest.fixture(scope="module", params=[NEW])
def python(request):
    """One that has py-tes, and nothing of ours."""
    return installed(request.param)


@pytest.fixture
def start(system, python):
    """Start the workflow: `start(url, count, script, how, *options of the launcher)`."""
    processes = []

    def start(url, count, script, how="look", *options, service=None, launcher=True):
        command = [python, WORKFLOW, url, str(count), script, how]
        if launcher:
            where = ["--service", service or system.api.url, "--run", url]
            command = [*LAUNCHER, *where, *options, "--", *command]
        processes.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={
                    **clean_environ(),
                    "CALLBACK_API_TOKEN": system.client.token,
                    "NO_PROXY": "*",
                },
            )
        )
        return Program(processes[-1], count)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def server(register):
    """It has other tasks than that of another test: the service remembers those."""
    with running_server("funnel", seed=next(_seeds)) as server:
        register(server)
        yield server


def tasks_of(system, name):
    """The tasks that are followed in the one run of this name."""
    (run,) = system.client.get(f"/v1/runs?name_prefix={name}")["runs"]
    return {one["id"] for one in system.client.get(f"/v1/runs/{run['id']}/tasks")["tasks"]}


@ways
def test_no_task_is_asked_for_at_its_server(system, register, start, how):
    with (
        running_server("funnel", seed=next(_seeds)) as server,
        Counting(server.url).running() as proxy,
    ):
        # It does not know the server by the URL of the proxy.
        name = register(server).rpartition("/")[2]
        program = start(proxy.url, 20, STEADY, how, "--server", name)
        assert program.end() == (0, ["COMPLETE"] * 20, "")
        assert proxy.counts == {"create": 20}
        # Twenty of them are the client's. The service asks for all tasks together: more often for
        # `wait`, which would ask twice a second for each.
        assert server.core.journal.total <= {"look": 40, "wait": 60}[how]
    assert tasks_of(system, proxy.url) == program.submitted.keys()


@ways
def test_the_gateways_url_serves_as_well(system, register, start, how):
    with running_server("funnel", seed=next(_seeds)) as server:
        url = register(server, access="open")
        program = start(url, 5, STEADY, how)
        assert program.end() == (0, ["COMPLETE"] * 5, "")
    assert tasks_of(system, url) == program.submitted.keys()
    asked = [one for one in program.submitted if f"path=/tasks/{one}" in system.api.text()]
    assert asked == []


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("ask", ["create_task", "list_tasks"])
def test_a_gateway_that_asks_for_tokens_is_shown_the_services_own(system, register, version, ask):
    with running_server("funnel", seed=next(_seeds)) as server:
        how = {"url": register(server, access="token")}
        what = [{"executors": [{"image": "i", "command": ["c"]}]}] if "create" in ask else []
        environ = {**clean_environ(), "CALLBACK_API_TOKEN": system.client.token, "NO_PROXY": "*"}
        launched = [*LAUNCHER, "--service", system.api.url, "--", installed(version), PY_TES]
        for command, word in ((launched, "returned"), (launched[-2:], "raised")):
            done = subprocess.run(
                command,
                input=json.dumps([how, ask, *what]),
                env=environ,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            assert json.loads(done.stdout).keys() >= {word}


@ways
def test_the_service_dies_and_comes_back_in_the_middle(system, server, start, how):
    program = start(server.url, 10, "QUEUED 1, RUNNING 14, COMPLETE", how)
    until(lambda: set(server.states().values()) == {State.RUNNING})
    for process in (*system.apis, *system.workers):
        process.end()
    # It asks the server now.
    asked = until(lambda: server.counts.get("GetTask", 0))
    for process in (*system.apis, *system.workers):
        process.start()
    system.until_ready()
    code, states, complained = program.end()
    assert (code, states) == (0, ["COMPLETE"] * 10)
    gone, back = complained.splitlines()
    assert "asking the TES server meanwhile" in gone
    assert back.endswith("is back")
    assert asked


@ways
def test_without_the_service_a_program_runs_as_without_the_launcher(server, start, how):
    alone = start(server.url, 3, STEADY, how, launcher=False).end()
    code, states, complained = start(server.url, 3, STEADY, how, service=NOBODY).end()
    assert (code, states, "") == alone == (0, ["COMPLETE"] * 3, "")
    (line,) = complained.splitlines()
    assert "asking the TES server meanwhile" in line


@pytest.mark.parametrize("service", [None, NOBODY])
def test_a_program_that_does_not_know_preempted_reads_an_error(server, start, service):
    """Without, it would wait for ever."""
    program = start(server.url, 2, "RUNNING 0.5, PREEMPTED", "look", service=service)
    assert program.end()[:2] == (1, ["SYSTEM_ERROR"] * 2)


def test_preempted_is_shown_on_request(server, start):
    program = start(server.url, 2, "RUNNING 0.5, PREEMPTED", "wait", "--show-preempted")
    assert program.end()[:2] == (1, ["PREEMPTED"] * 2)


@pytest.mark.parametrize("service", [None, NOBODY])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_has_not_ended_is_canceled_where_that_is_asked_for(server, start, number, service):
    program = start(server.url, 5, ENDLESS, "look", "--cancel-on-exit", service=service)
    os.kill(program.process.pid, number)
    code = program.end()[0]
    until(lambda: set(server.states().values()) <= {State.CANCELED, State.CANCELING})
    # As Python programs end that do nothing about these signals.
    assert code == -number


def test_by_default_ending_a_program_cancels_nothing(server, start):
    program = start(server.url, 5, ENDLESS)
    os.kill(program.process.pid, signal.SIGTERM)
    assert program.end()[0] == -signal.SIGTERM
    assert set(server.states().values()) <= {State.QUEUED, State.RUNNING}
    assert server.counts.get("CancelTask", 0) == 0


def test_a_server_that_refuses_tasks_raises_what_it_raises_without(server, start, python):
    """Also for tasks that there are none of."""
    looking = "import sys, tes; tes.HTTPClient(sys.argv[1]).get_task('task-of-nobody', 'MINIMAL')"
    alone = subprocess.run(
        [python, "-c", looking, server.url], capture_output=True, text=True, check=False
    )
    command = [*LAUNCHER, "--service", NOBODY, "--", python, "-c", looking, server.url]
    with_it = subprocess.run(command, capture_output=True, text=True, check=False)
    assert with_it.returncode == alone.returncode == 1
    assert with_it.stderr.splitlines()[-1] == alone.stderr.splitlines()[-1]
    assert "404" in alone.stderr


@pytest.mark.parametrize("python", [OLD], indirect=True)
def test_the_old_client_is_not_told_what_breaks_it(server, start, python):
    """Funnel's answers have fields that it dies of; the service tells it the states."""
    assert start(server.url, 5, STEADY).end() == (0, ["COMPLETE"] * 5, "")
