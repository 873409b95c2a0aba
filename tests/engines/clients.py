"""The clients that engines use, as their users install them, each in a venv of its own."""

import json
import platform
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.services import missing
from tests.venvs import VENVS, clean_environ, locked, prepared

PROGRAM = Path(__file__).parent / "programs" / "py_tes.py"
# 0.4.2 is what Snakemake's and Toil's plugins ask for, 1.1.4 what cwl-tes is used with.
NEW, OLD = PY_TES = ["1.1.4", "0.4.2"]
# What both import. Of all that 1.1.4 asks for, Sphinx and pytest are left out.
NEEDED = ["attrs", "python-dateutil", "requests", "six"]


class Raised(Exception):
    """What the client raised; `kind` is its class."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class PyTes:
    """A `tes.HTTPClient` in another process; it has the methods of py-tes, and `wait_for_all`.

    Tasks go in and come out as JSON objects; py-tes makes its models of them, strict as it is.
    """

    def __init__(self, process, **how):
        self._process = process
        self._how = how

    def __getattr__(self, method):
        return partial(self._tell, method)

    def _tell(self, *words):
        self._process.stdin.write(f"{json.dumps([self._how, *words])}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "raised" in answer:
            raise Raised(answer["raised"], answer["text"])
        return answer["returned"]


def installed(version):
    """The Python that has this py-tes and nothing of ours."""
    venv = VENVS / "engines" / f"py-tes-{version}"
    with locked(venv):
        try:
            return prepared(
                venv, sys.executable, platform.python_version(), NEEDED, [f"py-tes=={version}"]
            )
        except pytest.fail.Exception as failure:
            missing(f"py-tes {version} ({failure})")


@contextmanager
def running(python):
    """Make clients: `connect(url, token=…)`, with the arguments of `tes.HTTPClient`."""
    process = subprocess.Popen(
        [python, PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**clean_environ(), "NO_PROXY": "*"},
    )
    with process:
        yield lambda url, **how: PyTes(process, url=url, **how)
        process.kill()
