"""`callback-service up` as it is typed: the whole service as one command, data in a folder."""

import os
import re
import signal
import socket
import subprocess

import pytest
import requests

from tests.e2e.conditions import until
from tests.e2e.load import Load
from tests.e2e.processes import COMMAND, clean_environ
from tests.e2e.receivers import assert_honest
from tests.e2e.system import TESK_MEANS, TESK_SENDS, new_task
from tests.e2e.test_demo import assert_nothing_lost, demo
from tests.e2e.up import Up
from tests.ports import free_port

PARTS = ("secantusd", "callback_service.serve", "callback_service.worker")


@pytest.fixture(scope="module")
def module_up(tmp_path_factory):
    one = Up(tmp_path_factory.mktemp("up"))
    yield one
    one.end()
    until(lambda: not one.left())


@pytest.fixture
def up(module_up):
    """The one of the module, running, whatever the test before did to it."""
    return module_up if module_up.is_alive else module_up.start_and_wait()


def test_what_it_prints_works_when_it_is_pasted(up):
    said = up.text()
    (command,) = re.findall(r"^curl .*$", said, re.MULTILINE)
    registered = subprocess.run(
        ["bash", "-c", f"{command} -s"], capture_output=True, text=True, check=True
    )
    assert '"callback_url"' in registered.stdout
    for page in re.findall(r"http://\S+/ui/", said):
        assert requests.get(page, timeout=10).status_code == 200


def test_it_tells_of_callbacks_and_its_logs_hold_no_secret(up, receiver):
    task, run = new_task(), up.client.register(receiver)
    run.call_back(task, *TESK_SENDS)
    receiver.until_told(task, *TESK_MEANS)
    assert_honest(receiver)
    token = run.callback_url.rpartition("/")[2]
    for text in up.texts().values():
        assert up.client.token not in text
        assert run.secret not in text
        assert token not in text


def test_a_part_that_is_killed_is_started_again_and_nothing_is_lost(up, receiver):
    run = up.client.register(receiver)
    with Load(run) as load:
        for part in PARTS:
            load.until_more(50)
            (pid, *_) = pids_of(up, part)
            os.kill(pid, signal.SIGKILL)
            until(lambda part=part, pid=pid: pid not in pids_of(up, part) != [])
        load.until_more(50)
    load.until_told(run, receiver)
    assert_honest(receiver)


def test_the_demonstration_takes_the_service_that_is_there(up):
    assert_nothing_lost(demo("--url", up.client.url, "--token", up.client.token))


def test_kill_9_leaves_nothing_behind_and_the_next_one_goes_on(up, receiver):
    run = up.client.register(receiver)
    with Load(run) as load:
        load.until_more()
        up.kill()
    until(lambda: up.left() == [])
    up.start_and_wait()
    load.until_told(run, receiver)
    task = new_task()
    run.call_back(task, *TESK_SENDS)
    receiver.until_told(task, *TESK_MEANS)
    assert_honest(receiver)
    assert up.interrupt() == 0
    assert up.left() == []


def pids_of(up, part):
    """Oldest first: the master before its workers."""
    found = subprocess.run(["pgrep", "-f", part], capture_output=True, text=True, check=False)
    return sorted(set(map(int, found.stdout.split())) & set(up.left()))


class Refusal:
    """An `up`, `serve` or `worker` that does not start."""

    def __init__(self, *arguments, **environ):
        ended = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env={**clean_environ(), **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2, ended.stderr
        assert ended.stdout == ""
        assert "Traceback" not in ended.stderr
        (self.sentence,) = ended.stderr.splitlines()


def test_a_taken_port_is_refused_in_a_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        refusal = Refusal("up", "--port", port, "--data", tmp_path / "data")
    assert f"Port {port} of 127.0.0.1 is taken" in refusal.sentence


def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "data").write_text("a file")
    refusal = Refusal("up", "--port", free_port(), "--data", tmp_path / "data")
    assert "is a file" in refusal.sentence


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MONGO_URI", "mongodb://127.0.0.1:1/"),
        ("CELERY_BROKER_URL", "amqp://127.0.0.1:1//"),
    ],
)
def test_what_the_environment_names_wrongly_is_refused_in_a_sentence(tmp_path, variable, value):
    up = ("up", "--port", free_port(), "--data", tmp_path / "data")
    assert variable in Refusal(*up, **{variable: value}).sentence


@pytest.mark.parametrize("command", ["serve", "up"])
def test_a_setting_that_does_not_exist_is_refused_with_the_nearest_that_does(tmp_path, command):
    own = tmp_path / "own.yaml"
    own.write_text("custom: {delivery: {concurency: 5}}")
    where = ("--port", free_port(), "--data", tmp_path / "data") if command == "up" else ()
    refusal = Refusal(command, *where, CALLBACK_CONFIG=str(own))
    assert "did you mean concurrency?" in refusal.sentence


def test_serve_listens_on_other_machines_only_with_tokens():
    refusal = Refusal("serve", "--port", free_port(), CALLBACK_AUTH="off")
    assert "127.0.0.1" in refusal.sentence
