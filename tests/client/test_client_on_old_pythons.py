"""The client works on the oldest Python that it promises and on the newest, as it is installed.

The interpreters are those of `CLIENT_PYTHONS`, divided by spaces, or what is on the PATH.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.services import missing
from tests.venvs import TOP, VENVS, locked, pip, prepared, run

CLIENT = TOP / "client"
CLIENT_VENVS = VENVS / "client"
OLDEST, NEWEST = "python3.8", "python3.13"
PYTHONS = os.environ.get("CLIENT_PYTHONS", "").split() or [OLDEST, NEWEST]
# What `pip install` of the client brings, and what runs its tests.
PACKAGES = ["requests", "pytest"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, CLIENT),
    )
    (made,) = folder.glob("*.whl")
    return made


def version_of(python: str) -> str:
    """As `3.8.18`; skips where there is no such Python, which a shim of pyenv's may hide."""
    found = shutil.which(python)
    if found is None:
        missing(python)
    asked = [found, "-c", "import platform; print(platform.python_version())"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode:
        missing(python)
    return answer.stdout.strip()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: Path(python).name)
def test_the_clients_own_tests_pass_on(python: str, wheel: Path, tmp_path: Path) -> None:
    version = version_of(python)
    with locked(CLIENT_VENVS / version):
        inside = prepared(CLIENT_VENVS / version, python, version, PACKAGES)
        run(*pip(inside), "install", "--quiet", "--no-deps", "--force-reinstall", wheel)
        # Not the repository's settings, which are for the pytest and the plugins of its lock.
        told = run(
            *(inside, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", TOP, "-p"),
            *("no:cacheprovider", "--import-mode=importlib", "-o", f"pythonpath={TOP}"),
            *("--basetemp", tmp_path / "tests", "--strict-markers", CLIENT / "tests"),
        )
        where = run(inside, "-I", "-c", "import callback_client as it; print(it.__file__)")
    assert " passed" in told
    assert Path(where.strip()).is_relative_to(CLIENT_VENVS), "the installed client was tested"


def test_a_wheel_has_all_of_the_package_and_nothing_else(wheel: Path) -> None:
    source = {
        path.relative_to(CLIENT).as_posix()
        for path in (CLIENT / "callback_client").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    with zipfile.ZipFile(wheel) as found:
        names = {name for name in found.namelist() if ".dist-info/" not in name}
        metadata = found.read(next(n for n in found.namelist() if n.endswith("/METADATA"))).decode()
    assert names == source
    assert "Requires-Python: >=3.8\n" in metadata
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert [line for line in needed if "extra ==" not in line] == ["Requires-Dist: requests"]
