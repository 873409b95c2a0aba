"""The simulated server with `--execute`: tasks do what their commands say, on this machine."""

import time
from pathlib import Path

import pytest
import requests

from tests.tes_sim.running import TES, running_server
from tests.tes_sim.test_shell import eventually

ENDED = {"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"}


def run_with(command, **fields):
    return {"image": "alpine", "command": ["sh", "-c", command], **fields}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    with running_server("funnel", execute=folder, script="QUEUED, RUNNING, COMPLETE") as server:
        yield server


class Submitter:
    def __init__(self, server):
        self._url = f"{server.url}{TES}/tasks"

    def submit(self, *executors, **fields):
        task = {"executors": list(executors), **fields}
        answer = requests.post(self._url, json=task, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def show(self, task_id):
        return requests.get(f"{self._url}/{task_id}?view=FULL", timeout=10).json()

    def cancel(self, task_id):
        assert requests.post(f"{self._url}/{task_id}:cancel", timeout=10).ok

    def ended(self, *executors, **fields):
        """The whole task, once its logs are there too."""
        task_id = self.submit(*executors, **fields)

        def is_over():
            shown = self.show(task_id)
            logs = [log for log in shown.get("logs", ()) if log["start_time"]]
            is_complete = all(log.get("end_time") for log in logs)
            return shown if shown["state"] in ENDED and is_complete else None

        return eventually(is_over)


@pytest.fixture
def tasks(server):
    return Submitter(server)


def results(task):
    return [(one["exit_code"], one["stdout"], one["stderr"]) for one in task["logs"][0]["logs"]]


def test_a_command_ends_as_it_ends_and_what_it_said_is_in_the_log(tasks):
    task = tasks.ended(run_with("echo said; echo complained >&2; exit 3"))
    assert task["state"] == "EXECUTOR_ERROR"
    assert results(task) == [(3, "said\n", "complained\n")]


def test_a_command_that_is_none_fails_as_in_a_shell(tasks):
    task = tasks.ended({"image": "alpine", "command": ["no-such-command"]})
    ((code, _, complaint),) = results(task)
    assert (task["state"], code) == ("EXECUTOR_ERROR", 127)
    assert "no-such-command" in complaint


def test_inputs_are_where_the_task_says_and_outputs_go_where_it_says(tasks, tmp_path):
    """Paths of the container stand in the command, in its environment and within its words."""
    (tmp_path / "in.txt").write_text("of a file\n")
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "below" / "deep.txt").write_text("of a folder\n")
    command = (
        "set -e; cat /data/in.txt '/data/content' \"$FOLDER/below/deep.txt\" >/results/one;"
        "mkdir -p many/below; cp /results/one many/below/two; pwd >&2"
    )
    executor = run_with(command, workdir="/work", env={"FOLDER": "/data/folder"})
    task = tasks.ended(
        executor,
        inputs=[
            {"path": "/data/in.txt", "url": (tmp_path / "in.txt").as_uri()},
            {"path": "/data/content", "content": "of the task\n"},
            {"path": "/data/folder", "url": str(tmp_path / "folder"), "type": "DIRECTORY"},
        ],
        outputs=[
            {"path": "/results/one", "url": (tmp_path / "out" / "one").as_uri()},
            {"path": "/work/many", "url": (tmp_path / "all").as_uri(), "type": "DIRECTORY"},
        ],
    )
    assert task["state"] == "COMPLETE", task["logs"]
    expected = "of a file\nof the task\nof a folder\n"
    assert (tmp_path / "out" / "one").read_text() == expected
    assert (tmp_path / "all" / "below" / "two").read_text() == expected
    written = {one["path"]: one["size_bytes"] for one in task["logs"][0]["outputs"]}
    assert written == {
        "/results/one": str(len(expected)),
        "/work/many/below/two": str(len(expected)),
    }


def test_outputs_may_be_chosen_by_wildcards(tasks, tmp_path):
    task = tasks.ended(
        run_with("cd /out/a; touch 1.txt 2.txt 3.log"),
        outputs=[{"path": "/out/*/?.txt", "path_prefix": "/out", "url": tmp_path.as_uri()}],
        volumes=["/out/a"],
    )
    assert task["state"] == "COMPLETE", task["logs"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["1.txt", "2.txt"]


def test_executors_run_in_order_in_the_same_volumes_and_pass_on_what_they_said(tasks):
    task = tasks.ended(
        run_with("echo first", stdout="/shared/said"),
        run_with("cat; echo second", stdin="/shared/said"),
        volumes=["/shared"],
    )
    assert task["state"] == "COMPLETE"
    assert [said for _, said, _ in results(task)] == ["first\n", "first\nsecond\n"]


def test_the_first_that_fails_is_the_last_unless_its_error_is_ignored(tasks):
    task = tasks.ended(run_with("exit 1", ignore_error=True), run_with("exit 2"), run_with(""))
    assert task["state"] == "EXECUTOR_ERROR"
    assert [code for code, _, _ in results(task)] == [1, 2]


@pytest.mark.parametrize(
    "fields",
    [
        {"outputs": [{"path": "/out/none", "url": "file:///tmp/none"}]},
        {"inputs": [{"path": "/in", "url": "file:///no/such/file"}]},
        {"inputs": [{"path": "/in", "url": "s3://bucket/key"}]},
    ],
)
def test_a_file_that_is_not_there_is_an_error_of_the_system(tasks, fields):
    assert tasks.ended(run_with("true"), **fields)["state"] == "SYSTEM_ERROR"


def test_paths_of_this_machine_stay_where_the_task_has_nothing_of_that_name(tasks, tmp_path):
    """As programs do that run their own interpreter in the task."""
    program = tmp_path / "bin" / "program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    below = {"path": f"{tmp_path}/in", "content": "text"}
    task = tasks.ended(run_with(f"{program}; cat {tmp_path}/in"), inputs=[below])
    assert results(task) == [(0, "ran\ntext", "")]


def test_a_cancel_ends_all_processes_of_the_task(tasks, tmp_path):
    pids = tmp_path / "pids"
    command = f"sleep 60 & echo $! >{pids}.new; echo $$ >>{pids}.new; mv {pids}.new {pids}; wait"
    task_id = tasks.submit(run_with(command))
    eventually(pids.exists)
    tasks.cancel(task_id)
    assert tasks.show(task_id)["state"] == "CANCELED"
    for pid in pids.read_text().split():
        eventually(lambda pid=int(pid): not is_running(pid))


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_twenty_tasks_at_once_do_not_hold_up_answers(tasks, server):
    began = time.monotonic()
    submitted = [tasks.submit(run_with("sleep 1; echo done")) for _ in range(20)]
    slowest = 0.0
    while {server.states()[one] for one in submitted} != {"COMPLETE"}:
        asked = time.monotonic()
        tasks.show(submitted[0])
        slowest = max(slowest, time.monotonic() - asked)
        assert time.monotonic() - began < 15
    # One after the other they would take 20 s; a stalled server would not answer before its tasks.
    assert slowest < 1


def test_a_script_says_how_long_a_task_waits_and_whether_it_comes_to_run_at_all(tasks, tmp_path):
    ran = tmp_path / "ran"
    tag = {"tes-sim": "QUEUED 0.2, SYSTEM_ERROR"}
    assert tasks.ended(run_with(f"touch {ran}"), tags=tag)["state"] == "SYSTEM_ERROR"
    assert not ran.exists()
    began = time.monotonic()
    tag = {"tes-sim": "QUEUED 0.5, RUNNING 60, COMPLETE"}
    assert tasks.ended(run_with(f"touch {ran}"), tags=tag)["state"] == "COMPLETE"
    assert 0.5 < time.monotonic() - began < 30


def test_no_page_in_a_browser_can_have_a_command_run(server):
    task = {"executors": [run_with("true")]}
    shown = {"Origin": "https://example.org"}
    answer = requests.post(f"{server.url}{TES}/tasks", json=task, headers=shown, timeout=10)
    assert answer.status_code == 403


def test_the_end_of_the_server_is_the_end_of_what_it_executes(tmp_path):
    with running_server("funnel", execute=tmp_path / "tasks") as server:
        file = tmp_path / "pid"
        Submitter(server).submit(run_with(f"echo $$ >{file}.new; mv {file}.new {file}; sleep 60"))
        eventually(file.exists)
        pid = int(file.read_text())
    assert not is_running(pid)


@pytest.mark.parametrize("profile", ["tesk", "strict", "pr176"])
def test_every_profile_executes(tmp_path, profile):
    with running_server(profile, execute=tmp_path / "tasks") as server:
        task = Submitter(server).ended(run_with("echo one"), run_with("echo two"))
    assert task["state"] == "COMPLETE"
    assert [said for _, said, _ in results(task)] == ["one\n", "two\n"]
