"""A worker of cwl-WES: how it starts its engine, and what it makes of what that prints."""

import json
import os
import re
import signal
import subprocess
import threading
from contextlib import suppress

import requests

from tests.adapters.cwl_wes import CwlWes
from tests.e2e.conditions import until

# What cwl-tes 0.3.0 puts before its lines, and cwl-WES does not expect: it sees none of the tasks.
_BEFORE = re.compile(r"(\x1b\[[\d;]*m)*([A-Z]+(\x1b\[[\d;]*m)* (\x1b\[[\d;]*m)*)?")
_NEW = re.compile(r"\[job [\w\-]*\] task id: (\S*)")
_POLLED = re.compile(r"\[job [\w\-]*\] POLLING '(\S*)', result: (\w*)")


class Worker:
    """`tmp` and `output` have a folder for each run; `environ` is all that engines inherit."""

    def __init__(self, runs, folder, tes_url, environ):
        self.runs = runs
        self.tmp, self.output = folder / "tmp", folder / "output"
        self.tes_url = tes_url
        self.environ = environ

    def accept(self, run_id, workflow, parameters, *attached):
        """What `POST /runs` does: the folders, the files and the document of a run."""
        files = self.output / run_id / "workflow_files"
        files.mkdir(parents=True)
        self.tmp.joinpath(run_id).mkdir(parents=True)
        # Of JSON, which is YAML.
        files.joinpath(f"{workflow.stem}.yml").write_text(json.dumps(parameters))
        for file in (workflow, *attached):
            files.joinpath(file.name).write_text(file.read_text())
        CwlWes(self.runs, run_id).create("QUEUED")
        return Execution(self, run_id, files / workflow.name)


class Execution:
    """A run, as its task of Celery executes it: in a thread, so that one worker has many."""

    def __init__(self, worker, run_id, workflow):
        self.wes = CwlWes(worker.runs, run_id)
        self.lines = []
        # What it read of each task, the last one last.
        self.seen = {}
        self.exit_code = None
        self._worker = worker
        self._command = [
            *("cwl-tes", "--debug", "--leave-outputs"),
            # Its storage is an FTP server; without one, outputs stay on the machine.
            *("--remote-storage-url", "", "--tes", worker.tes_url),
            *(workflow, workflow.with_suffix(".yml")),
        ]
        self._process = None

    def start(self, *, late=False, legible=True):
        """`late`: as in versions whose monitor of events writes that a run has started.

        `legible`: with an engine whose lines cwl-WES can read.
        """
        if not late:
            self.wes.start()
        self._process = subprocess.Popen(
            self._command,
            cwd=self._worker.tmp / self.wes.run_id,
            env=self._worker.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._read, args=(legible,), daemon=True)
        self._thread.start()

    def end(self, within=90):
        """Its engine ends, and what follows is written; the exit code of the engine."""
        self._thread.join(within)
        assert not self._thread.is_alive(), self.said
        return self.exit_code

    def lose(self):
        """The worker is gone, and its engine with it."""
        self.kill()
        self._thread.join(10)

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    @property
    def said(self):
        return "".join(self.lines)

    @property
    def outputs(self):
        """What it reads at the end of what was printed: the last object."""
        lines = [line.rstrip() for line in self.lines]
        end = max(number for number, line in enumerate(lines) if line == "}")
        begin = max(number for number, line in enumerate(lines[:end]) if line == "{")
        return json.loads("\n".join(lines[begin : end + 1]))

    def _read(self, legible):
        for line in self._process.stdout:
            self.lines.append(line)
            row = _BEFORE.sub("", line.rstrip(), count=1) if legible else line.rstrip()
            if found := _NEW.fullmatch(row):
                self._note(found[1], None)
            elif found := _POLLED.match(row):
                self._note(*found.groups())
        self.exit_code = self._process.wait()
        if self.exit_code == -signal.SIGKILL:
            return
        if self.exit_code:
            self.wes.be("SYSTEM_ERROR")
        elif self.seen:
            self.wes.complete(*map(self._log_of, self.seen))
        else:
            self.wes.be("COMPLETE")

    def _note(self, task_id, state):
        if task_id not in self.seen:
            self.seen[task_id] = [state]
            self.wes.push(self._log_of(task_id))
        elif state != self.seen[task_id][-1]:
            self.seen[task_id].append(state)
            self.wes.set_state(task_id, state)

    def _log_of(self, task_id):
        path = f"/ga4gh/tes/v1/tasks/{task_id}?view=FULL"
        answer = requests.get(self._worker.tes_url.rstrip("/") + path, timeout=5)
        answer.raise_for_status()
        return answer.json()


def until_told(wes, state):
    """Until the run's one task is told to be in this state."""
    until(lambda: [log.get("state") for log in wes.logs() if log] == [state])
