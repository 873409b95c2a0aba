"""Runs the command of one executor, in a process group of its own."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callback_service.tes_sim.execution.places import Places
from callback_service.tes_sim.work import Result

# As shells say it.
_NOT_FOUND = 127
# As much of what was said as a log keeps.
_TAIL = 10_000
# Whoever asks the server is more important.
_NICENESS = 10


async def run(
    executor: Mapping[str, Any], places: Places, environ: Mapping[str, str], aside: Path
) -> Result:
    """What was said goes to files `aside` where the executor names none.

    Cancelled, it leaves no process of the group behind.
    """
    said = {
        name: places.host(executor[name]) if executor.get(name) else aside / name
        for name in ("stdout", "stderr")
    }
    for path in said.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    started = datetime.now(UTC)
    try:
        code = await _exit_code(executor, places, environ, said)
    except OSError as error:
        said["stderr"].write_text(f"{error.filename or executor['command'][0]}: {error.strerror}\n")
        code = _NOT_FOUND
    return Result(started, datetime.now(UTC), code, _tail(said["stdout"]), _tail(said["stderr"]))


async def _exit_code(
    executor: Mapping[str, Any],
    places: Places,
    environ: Mapping[str, str],
    said: Mapping[str, Path],
) -> int:
    stdin = places.host(executor["stdin"]) if executor.get("stdin") else Path(os.devnull)
    own = {name: places.rewritten(value) for name, value in (executor.get("env") or {}).items()}
    with ExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            *map(places.rewritten, executor["command"]),
            cwd=places.host(executor.get("workdir") or "/"),
            env={**environ, **own},
            stdin=stack.enter_context(stdin.open("rb")),
            stdout=stack.enter_context(said["stdout"].open("wb")),
            stderr=stack.enter_context(said["stderr"].open("wb")),
            start_new_session=True,
        )
    try:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        code = await process.wait()
    finally:
        # Also what it has left running itself: a container would end with its command.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    # As shells say that it was a signal.
    return code if code >= 0 else 128 - code


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TAIL, 0))
        return file.read().decode(errors="replace")
