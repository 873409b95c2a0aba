"""The engines, each with a workflow of its own, as the tests run them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bench.engines.size import Size
from tests.engines import cwl_tes, snakemake, toil
from tests.engines.clients import NEW, installed
from tests.engines.ways import Way

Set = Callable[..., AbstractContextManager[Any]]
Run = Callable[[Set, Size], Any]

_WAITING = Path(cwl_tes.__file__).parent / "programs" / "workflow.py"


def run_py_tes(set_up: Set, size: Size) -> Any:
    """Its `wait()`, in a thread for each task."""
    script = f"QUEUED 0.1, INITIALIZING 0.1, RUNNING {size.seconds}, COMPLETE"
    with set_up(executes=False) as on:
        return on.run(installed(NEW), _WAITING, on.url, str(size.tasks), script, "wait")


def run_cwl_tes(set_up: Set, size: Size) -> Any:
    with set_up() as on:
        return on.run(*cwl_tes.command(on.url, on.folder, size.tasks, size.seconds))


def run_snakemake(set_up: Set, size: Size) -> Any:
    with set_up() as on:
        environ = snakemake.prepared(on.folder, seconds=size.job_seconds)
        return on.run(*snakemake.command(on.url, on.folder), **environ, within=300)


def run_toil(set_up: Set, _: Size) -> Any:
    with set_up() as on:
        environ = toil.environ(on.url)
        if on.way is not Way.LAUNCHER:
            # Which mends the name that Toil looks for.
            plugin = toil.copied_plugin(on.folder / "plugin")
            (plugin / "tes_batch_stytem.py").symlink_to("tes_batch_system.py")
            environ["PYTHONPATH"] = str(plugin.parent)
        return on.run(*toil.command(on.folder), **environ, within=300)


ENGINES: Mapping[str, tuple[str, Run]] = {
    "py-tes": ("py-tes 1.1.4, `wait()`", run_py_tes),
    "cwl-tes": ("cwl-tes 0.3.0", run_cwl_tes),
    "snakemake": ("Snakemake 9", run_snakemake),
    "toil": ("Toil 6.1.0", run_toil),
}
