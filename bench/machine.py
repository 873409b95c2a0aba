"""What it was measured on."""

import os
import platform
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = (
    "foca",
    "connexion",
    "flask",
    "gunicorn",
    "gevent",
    "celery",
    "pymongo",
    "aiohttp",
    "secantusdb",
)


def describe() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "command": _without_passwords(shlex.join(["python", "-m", _module(), *sys.argv[1:]])),
        "commit": _commit(),
        "processor": _line("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "load_before": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def _module() -> str:
    """The one that was started, by its whole name."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name.removesuffix(".__main__") if spec else "bench"


def _without_passwords(command: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", command)


def _commit() -> str:
    here = Path(__file__).parent
    line = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(line, cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _line(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
