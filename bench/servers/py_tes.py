"""An environment with py-tes in it, made once: the client that is measured is the real one."""

import subprocess
import sys
from pathlib import Path

from bench.service import RESULTS

VERSION = "1.1.4"


def python_with_py_tes() -> Path:
    folder = RESULTS / f"py-tes-{VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "is-complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        wanted = (f"py-tes=={VERSION}", "requests")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True)
        (folder / "is-complete").touch()
    return python
