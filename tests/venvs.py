"""Virtual environments beside ours, for what must not share it; made once for each checkout."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
VENVS = TOP / ".venv"


def clean_environ() -> dict[str, str]:
    """Without what is of the Python that runs this test, or of its pytest."""
    foreign = ("PYTHON", "PYTEST", "COV_", "COVERAGE", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=TOP,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}", pytrace=False)
    return done.stdout


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Two test runs in one checkout share the venvs."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.parent.joinpath(f"{folder.name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def prepared(
    venv: Path, python: str, version: str, packages: Sequence[str], bare: Sequence[str] = ()
) -> Path:
    """The interpreter of a venv with the packages, made where there is none; use it `locked`.

    `bare` ones come without what they ask for.
    """
    inputs = f"{version} {shutil.which(python)} {packages} {bare}"
    wanted = hashlib.sha256(inputs.encode()).hexdigest()
    stamp = venv / "ready"
    inside = venv / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        run(python, "-m", "venv", *([] if _brings_pip(python) else ["--without-pip"]), venv)
        run(*pip(inside), "install", "--quiet", *packages)
        if bare:
            run(*pip(inside), "install", "--quiet", "--no-deps", *bare)
        stamp.write_text(wanted)
    return inside


def pip(inside: Path) -> list[str | Path]:
    if list(inside.parent.glob("pip*")):
        return [inside, "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", inside]


def _brings_pip(python: str) -> bool:
    """Else the pip of this Python fills the venv: always where that is the same, which is faster.

    Debian packs ensurepip separately.
    """
    if python == sys.executable:
        return False
    return subprocess.run([python, "-c", "import ensurepip"], check=False).returncode == 0
