"""Snakemake with its plugin for TES, and the workflow that it runs: some jobs, and one after them.

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
WORDS = 4
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


def prepared(folder, words=WORDS, seconds=0):
    """A folder to run it in, and the environment: with `snakemake`, and what that wants there."""
    shutil.copy(SNAKEFILE, folder)
    rsync = folder / "bin" / "rsync"
    rsync.parent.mkdir()
    rsync.write_text(RSYNC)
    rsync.chmod(rsync.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(rsync.parent), str(programs())])
    container = folder / "container.sh"
    container.write_text(CONTAINER.format(path=path))
    profile = folder / "profile" / "config.yaml"
    profile.parent.mkdir()
    wanted = [f"words={words}", f"seconds={seconds}"]
    profile.write_text(f"jobscript: {container}\nconfig: {wanted}\n")
    return {
        "PATH": os.pathsep.join([path, os.environ["PATH"]]),
        "HOME": str(folder),
        "SNAKEMAKE_PROFILE": str(profile.parent),
    }


def command(url, folder, *options):
    return [
        programs() / "snakemake",
        *("--executor", "tes", "--tes-url", url, "--jobs", "5"),
        *("--default-storage-provider", "fs", "--default-storage-prefix", folder / "storage"),
        *options,
    ]


def result(folder):
    return (folder / "storage" / "all.txt").read_text()


def expected(words=WORDS):
    return "".join(f"word {number}\n" for number in range(words))
