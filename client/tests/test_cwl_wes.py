"""A run that cwl-WES started is found, and registered with the sink that writes its document."""

import atexit
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from callback_client import CallbackServiceError
from callback_client.cwl_wes import AFTER_THE_END, LIFETIME, WesRun, wes_run_id

SINK = {"type": "cwl-wes", "target": "cwl", "wes_run_id": "A1B2C3"}
FILES = "/data/output/A1B2C3/workflow_files"
COMMAND = ["--debug", "--leave-outputs", "--remote-storage-url", "ftp://ftp.example.org/upload"]
COMMAND += ["--tes", "https://tes.example.org/"]
LAUNCHER = [sys.executable, "-m", "callback_client.exec"]


@pytest.fixture
def ends(monkeypatch):
    """What was to be done when the program ends."""
    found = []
    monkeypatch.setattr(atexit, "register", lambda *call: found.append(call))
    return found


@pytest.fixture
def wes_run(client, ends):
    return WesRun(client, "cwl", "A1B2C3", "a name")


def lifetimes(service):
    asked = service.asked("change_run")
    return [one.body["expires_in"] for one in asked]


@pytest.mark.parametrize(
    "files",
    [
        [f"{FILES}/echo.cwl", f"{FILES}/echo.yml"],
        [f"{FILES}/repo/tools/echo.cwl", f"{FILES}/repo/tools/echo-job.json"],
        # The workflow may be anywhere on the machine; its parameters are not.
        ["/opt/workflows/echo.cwl", f"{FILES}/echo.yml"],
    ],
)
def test_a_run_is_found_by_its_two_folders(files):
    assert wes_run_id([*COMMAND, *files], Path("/data/tmp/A1B2C3")) == "A1B2C3"


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        (["echo.cwl", "echo.yml"], "/home/me"),
        ([f"{FILES}/echo.cwl", f"{FILES}/echo.yml"], "/home/me"),
        (["/data/output/A1B2C3/echo.cwl"], "/data/tmp/A1B2C3"),
        ([f"{FILES}/echo.cwl"], "/"),
        (["workflow_files/echo.cwl"], "/"),
        ([], "/data/tmp/A1B2C3"),
    ],
)
def test_what_somebody_else_starts_is_no_run(files, folder):
    assert wes_run_id([*COMMAND, *files], Path(folder)) is None


def test_a_run_is_registered_with_its_sink(wes_run, client):
    run = client.run(wes_run.register())
    assert (run.name, run.sink) == ("a name", SINK)


def test_an_engine_that_is_started_again_goes_on_with_the_run(wes_run, client, service):
    before = wes_run.register()
    again = WesRun(client, "cwl", "A1B2C3", "a name")
    assert again.register() == before
    # It may have been about to be forgotten.
    assert lifetimes(service) == [LIFETIME]


@pytest.mark.parametrize("other", [("cwl", "D4E5F6"), ("cwl-2", "A1B2C3")])
def test_other_runs_are_other_runs(wes_run, client, service, ends, other):
    service.targets.add("cwl-2")
    assert wes_run.register() != WesRun(client, *other, "a name").register()


def test_nobody_goes_on_with_a_run_that_is_gone(wes_run, client, service):
    before = wes_run.register()
    service.be_gone(before)
    assert WesRun(client, "cwl", "A1B2C3", "").register() != before


def test_a_target_that_the_service_does_not_have_is_said_once(client, service, ends, caplog):
    wes_run = WesRun(client, "other", "A1B2C3", "a name")
    first, second = client.run(wes_run.register()), client.run(wes_run.register())
    assert [first.sink, second.sink] == [{"type": "none"}] * 2
    (line,) = caplog.messages
    assert "no target 'other' is configured" in line
    assert "cwl-WES is not told" in line
    assert ends == []


@pytest.mark.parametrize("status", [401, 503])
def test_whatever_else_is_wrong_is_tried_again(wes_run, client, service, status):
    service.fail(status)
    with pytest.raises(CallbackServiceError):
        wes_run.register()
    assert client.run(wes_run.register()).sink == SINK


def test_after_its_end_a_run_is_soon_forgotten(wes_run, service, ends):
    wes_run.register()
    ((end, *told),) = ends
    end(*told)
    assert lifetimes(service) == [AFTER_THE_END]


def test_a_child_that_ends_does_not_end_the_run(wes_run, service, ends):
    wes_run.register()
    ((end, run_id, process),) = ends
    end(run_id, process + 1)
    assert lifetimes(service) == []


def test_the_end_says_nothing_even_where_the_service_is_away(wes_run, service, ends, caplog):
    caplog.set_level(logging.INFO)
    wes_run.register()
    service.stop()
    ((end, *told),) = ends
    end(*told)
    assert caplog.messages == []


class CwlWes:
    """Where its worker starts `cwl-tes`, which stands in `bin`; a script of ours comes before."""

    def __init__(self, top):
        self.top = top
        self.folder = top / "tmp" / "A1B2C3"
        self.files = top / "output" / "A1B2C3" / "workflow_files"
        for folder in (self.folder, self.files, top / "bin", top / "first"):
            folder.mkdir(parents=True)
        self._script("bin/cwl-tes", '#!/bin/sh\necho "$CALLBACK_EXEC"\n')
        # `callback-exec` itself, wherever that is installed here.
        self._script("bin/callback-exec", f'#!/bin/sh\nexec {" ".join(LAUNCHER)} "$@"\n')
        self._script("first/cwl-tes", '#!/bin/sh\nexec callback-exec -- cwl-tes "$@"\n')

    def _script(self, name, text):
        self.top.joinpath(name).write_text(text)
        self.top.joinpath(name).chmod(0o755)

    def start(self, folder=None, **environ):
        """What was said, and at its end what the drop-in would be told."""
        path = f"{self.top / 'first'}:{self.top / 'bin'}:/usr/bin:/bin"
        *said, told = subprocess.run(
            ["cwl-tes", *COMMAND, "--token", "secret", self.files / "a.cwl", self.files / "a.yml"],
            cwd=folder or self.folder,
            env={"PATH": path, "PYTHONPATH": ":".join(filter(None, sys.path)), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout.splitlines()
        return said, {name: value for name, value in json.loads(told)["settings"].items() if value}


@pytest.fixture
def cwl_wes(tmp_path):
    return CwlWes(tmp_path)


def test_a_script_in_the_place_of_cwl_tes_starts_it_and_not_itself(cwl_wes):
    said, told = cwl_wes.start(CALLBACK_CWL_WES="cwl", CALLBACK_SERVICE_URL="http://127.0.0.1:9")
    assert said == []
    assert told == {"hide_preempted": True, "wes_target": "cwl", "wes_run_id": "A1B2C3"}


def test_a_run_that_is_not_found_is_a_plain_one(cwl_wes):
    said, told = cwl_wes.start(folder=cwl_wes.top, CALLBACK_CWL_WES="cwl")
    (line,) = said
    assert "no run of cwl-WES is started here" in line
    assert told == {"hide_preempted": True, "wes_target": "cwl"}


def test_without_a_target_nobody_looks_for_a_run(cwl_wes):
    assert cwl_wes.start(folder=cwl_wes.top) == ([], {"hide_preempted": True})
    assert cwl_wes.start() == ([], {"hide_preempted": True})


def test_a_script_that_stands_in_for_nothing_ends_as_in_a_shell(cwl_wes):
    cwl_wes.top.joinpath("bin", "cwl-tes").unlink()
    with pytest.raises(subprocess.CalledProcessError) as failure:
        cwl_wes.start(CALLBACK_CWL_WES="cwl")
    assert failure.value.returncode == 127
    assert "cwl-tes: not found" in failure.value.stdout
