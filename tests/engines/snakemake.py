"""Snakemake with its plugin for TES, and the workflow that it runs: four jobs, and one after them.

Its jobs bring Snakemake along: they fetch the sources and their inputs from the storage, run
Snakemake again, and put their outputs there.
"""

import os
import shutil
import stat
import sys
from pathlib import Path

from tests.engines.venv import engine_venv

SNAKEFILE = Path(__file__).parent / "workflows" / "snakemake" / "Snakefile"
EXPECTED = "".join(f"word {number}\n" for number in range(4))
JOBS = 5
PACKAGES = [
    "snakemake==9.27.1",
    "snakemake-executor-plugin-tes==0.1.3",
    "snakemake-storage-plugin-fs==1.1.3",
    # Its py-tes imports it, and does not ask for it.
    "six",
]

# What a container would be to a job: /tmp is the task's own, and pip finds everything installed.
CONTAINER = """#!/bin/sh
PATH={path}:$PATH
cd() {{{{ command cd "$(dirname "$0")"; }}}}
mkdir() {{{{ :; }}}}
pip() {{{{ :; }}}}
{{exec_job}}
"""
# As much of it as the storage asks for: `rsync OPTIONS FROM TO`. Not every machine has one.
RSYNC = """#!/bin/sh
while [ $# -gt 2 ]; do shift; done
exec cp -rL --preserve=timestamps "$1" "$2"
"""


def programs():
    """The folder that has `snakemake`."""
    version = ".".join(map(str, sys.version_info[:2]))
    return engine_venv("snakemake-9.27.1", version, *PACKAGES)


def environ(folder):
    """With `snakemake`, and what it wants to be there."""
    rsync = folder / "bin" / "rsync"
    rsync.parent.mkdir(exist_ok=True)
    rsync.write_text(RSYNC)
    rsync.chmod(rsync.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(rsync.parent), str(programs())])
    (folder / "container.sh").write_text(CONTAINER.format(path=path))
    return {"PATH": os.pathsep.join([path, os.environ["PATH"]]), "HOME": str(folder)}


def command(url, folder, *options, seconds=0):
    shutil.copy(SNAKEFILE, folder)
    return [
        programs() / "snakemake",
        *("--executor", "tes", "--tes-url", url, "--jobs", JOBS),
        *("--default-storage-provider", "fs", "--default-storage-prefix", folder / "storage"),
        *("--jobscript", "container.sh", "--config", f"seconds={seconds}"),
        *options,
    ]


def result(folder):
    return (folder / "storage" / "all.txt").read_text()
