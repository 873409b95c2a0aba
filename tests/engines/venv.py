"""An engine as its users install it, in a venv of its own, on the Python that it needs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.services import missing
from tests.venvs import VENVS, locked, prepared

PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


def engine_venv(name, python, *packages, bare=()):
    """The folder with the programs of the engine: `engine_venv("cwl-tes-0.3.0", "3.8", …)`.

    `python` is `3.8`, say; `bare` packages come without what they ask for.
    """
    venv = VENVS / "engines" / name
    with locked(venv):
        interpreter, version = _found(python)
        try:
            return prepared(venv, interpreter, version, packages, bare).parent
        except pytest.fail.Exception as failure:
            missing(f"{name} ({failure})")


def _found(wanted):
    """The first Python of that version that really runs: a shim of pyenv's may stand for none."""
    given = os.environ.get("CLIENT_PYTHONS", "").split()
    on_path = shutil.which(f"python{wanted}")
    of_pyenv = sorted(PYENV.glob(f"versions/{wanted}*/bin/python"))
    candidates = [*given, *filter(None, [on_path]), *map(str, of_pyenv)]
    for candidate, version in zip(candidates, map(_version_of, candidates), strict=True):
        if version.startswith(f"{wanted}."):
            return candidate, version
    return missing(f"Python {wanted}")


def _version_of(python):
    asked = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
