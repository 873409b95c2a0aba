"""Who watches is told each update once, though everything is killed and started again meanwhile."""

import json
import logging
import subprocess
import threading

import pytest
from callback_client import CallbackClient

from tests.cli.terminal import Terminal
from tests.e2e.conditions import until
from tests.e2e.processes import COMMAND, clean_environ
from tests.e2e.system import TESK_MEANS, TESK_SENDS, call_back, new_task


@pytest.fixture(scope="module")
def broker():
    return "folder"


@pytest.fixture
def environ(system):
    told = {"CALLBACK_SERVICE_URL": system.api.url, "CALLBACK_API_TOKEN": system.client.token}
    return {**clean_environ(), **told}


@pytest.fixture
def piped(environ):
    """`runs watch` with --json, whose output a program reads."""
    started = []

    def start(run_id):
        line = (*COMMAND, "runs", "watch", run_id, "--json")
        started.append(
            subprocess.Popen(
                line, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def seen(environ):
    """`runs watch` on a terminal."""
    started = []

    def start(run_id):
        started.append(Terminal(("runs", "watch", run_id), environ))
        return started[-1]

    yield start
    for terminal in started:
        terminal.remove()


def test_everything_is_killed_and_started_again_while_three_watch(system, piped, seen, caplog):
    client = CallbackClient(system.api.url, system.client.token)
    tasks = [new_task() for _ in range(3)]
    run = client.register("watched", tasks=tasks)
    heard = []

    def watch():
        # Ends by itself.
        heard.extend(client.watch(run, wait=5))

    watching = threading.Thread(target=watch, daemon=True)
    caplog.set_level(logging.INFO, "callback_client")
    watching.start()
    program, terminal = piped(run.id), seen(run.id)
    first, *others = tasks
    for state in TESK_SENDS[:3]:
        assert call_back(run.callback_url, first, state).status_code == 204
    terminal.until_shown(first)
    early = [json.loads(program.stdout.readline()) for _ in TESK_MEANS[:2]]

    for process in reversed(system.processes):
        process.end()
    terminal.until_shown("Nothing answers")
    away = program.stderr.readline()
    system.revive()
    for task, states in [(first, TESK_SENDS[3:]), *((other, TESK_SENDS) for other in others)]:
        for state in states:
            until(lambda t=task, s=state: call_back(run.callback_url, t, s).status_code == 204)

    expected = sorted(
        (task, seq, state) for task in tasks for seq, state in enumerate(TESK_MEANS, 1)
    )
    out, rest = program.communicate(timeout=30)
    told = early + [json.loads(line) for line in out.splitlines()]
    assert sorted((one["task_id"], one["seq"], one["state"]) for one in told) == expected
    assert program.returncode == 0
    assert (away.startswith("Nothing answers"), rest) == (True, f"{system.api.url} is back.\n")

    watching.join(30)
    assert sorted((one.task_id, one.seq, one.state) for one in heard) == expected
    said = [one.getMessage().partition(":")[0] for one in caplog.records]
    assert [one for one in said if one.startswith("updates.")] == [
        "updates.interrupted",
        "updates.resumed",
    ]

    assert terminal.end() == 0
    assert "3 of 3 have ended" in terminal.left
    assert f"{system.api.url} is back." in terminal.left
    assert "Traceback" not in terminal.shown
    for sequence in (told, [{"task_id": one.task_id, "seq": one.seq} for one in heard]):
        for task in tasks:
            numbers = [one["seq"] for one in sequence if one["task_id"] == task]
            assert numbers == sorted(numbers)
