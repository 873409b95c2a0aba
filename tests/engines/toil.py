"""Toil 6.1.0, and the workflow that it runs: five jobs for TES between two at the leader."""

import os
import shutil
from pathlib import Path

from tests.engines.venv import engine_venv

WORKFLOW = Path(__file__).parent / "workflows" / "toil" / "squares.py"
RESULT = str(1 + 4 + 9 + 16 + 25)
PLUGIN = "toil_batch_system_tes"


def toil():
    """The folder of its programs. The plugin asks for Toil with AWS, which is not needed here."""
    packages = ["toil==6.1.0", "py-tes==0.4.2", "six"]
    return engine_venv("toil-6.1.0", "3.11", *packages, bare=[f"{PLUGIN}==0.0.1"])


def command(folder):
    # In a folder of its own: Toil packs what is beside a workflow.
    workflow = folder / "workflow" / "squares.py"
    workflow.parent.mkdir()
    shutil.copy2(WORKFLOW, workflow)
    where = ["--batchSystem", "tes", "--setEnv", f"TOIL_WORKDIR={folder}", "--workDir", folder]
    # Instead of the image, in which Toil's worker would be.
    path = ["--setEnv", f"PATH={path_with_toil()}"]
    return [toil() / "python", workflow, f"file:{folder / 'store'}", *where, *path]


def environ(url):
    """It takes no option for the URL without its plugin; jobs at the leader need its programs."""
    return {"TOIL_TES_ENDPOINT": url, "PATH": path_with_toil()}


def prepared(folder):
    """What a reader needs besides Toil on the path: a workflow, a plugin of his own to link in."""
    (folder / "flow").mkdir()
    shutil.copy2(WORKFLOW, folder / "flow")
    plugin = copied_plugin(folder / "plugin").parent
    return {"PYTHONPATH": str(plugin), "TOIL_WORKDIR": str(folder)}


def path_with_toil():
    return f"{toil()}{os.pathsep}{os.environ['PATH']}"


def copied_plugin(folder):
    """The plugin, for those who change something in it: with `folder` as `PYTHONPATH`."""
    (installed,) = toil().parent.glob(f"lib/*/site-packages/{PLUGIN}")
    return shutil.copytree(installed, folder / PLUGIN)
