"""`callback-exec`: runs a program that uses py-tes, with the drop-in in the place of its client.

The launcher becomes the program, so that the process, its signals, its output and its exit code are
the program's own. What it leaves behind is a folder at the beginning of `PYTHONPATH`, where the
program's interpreter, whichever that is, finds a `sitecustomize`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional, Sequence

from callback_client.address import service_token, service_url
from callback_client.inside import PACKAGE, VARIABLE

STARTUP = str(PACKAGE / "startup")
# As shells say it.
NOT_FOUND, NOT_EXECUTABLE = 127, 126
# Flags of Python with which it looks at no PYTHONPATH.
DEAF_FLAGS = frozenset("EI")
FIRST_LINE = 512
# What Python ignores for its own sake, and a program that it becomes would inherit.
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def main(arguments: Optional[Sequence[str]] = None) -> NoReturn:
    parser = _parser()
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("which program? Say it after --")
    try:
        # Only to say now what is wrong with them.
        service_url(options.service)
        service_token()
    except ValueError as error:
        parser.error(str(error))
    command = _started(command)
    program = _found(command[0])
    if program is None:
        is_there = Path(command[0]).exists()
        why = "not executable" if is_there else "not found"
        _end(f"{command[0]}: {why}", NOT_EXECUTABLE if is_there else NOT_FOUND)
    options.wes_run_id = _wes_run_id(command[1:]) if options.cwl_wes else None
    if options.cwl_wes and not options.wes_run_id:
        _say("no run of cwl-WES is started here; what becomes of its tasks goes to no document")
    if _is_deaf(program):
        _say(f"{program} has Python ignore PYTHONPATH, and runs as it is; try `python {program}`")
    sys.stdout.flush()
    sys.stderr.flush()
    for number in IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(program, command, _environ(options))  # noqa: S606 - that is what it is for
    except OSError as error:
        _end(f"{program}: {error.strerror}", NOT_EXECUTABLE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="callback-exec",
        usage="%(prog)s [options] -- PROGRAM [ARGUMENT ...]",
        description="Run a Python program that uses py-tes, and let it be told of its tasks by the "
        "callback service instead of asking the TES server again and again.",
    )
    parser.add_argument(
        "--service",
        metavar="URL",
        help="the callback service; CALLBACK_SERVICE_URL, or http://127.0.0.1:8080. The token "
        "for it is in CALLBACK_API_TOKEN",
    )
    parser.add_argument(
        "--server",
        metavar="NAME",
        help="the TES server's name at the service; CALLBACK_SERVER, or found by its URL",
    )
    parser.add_argument(
        "--run",
        metavar="NAME",
        help="what the run is called that the tasks are followed in; CALLBACK_RUN, or the "
        "program's name",
    )
    parser.add_argument(
        "--cwl-wes",
        metavar="TARGET",
        default=os.environ.get("CALLBACK_CWL_WES"),
        help="cwl-WES starts the program: write how the tasks stand into its run, in the database "
        "that the service knows by this name; CALLBACK_CWL_WES",
    )
    parser.add_argument(
        "--cancel-on-exit",
        action="store_true",
        help="on Ctrl-C or SIGTERM cancel the tasks that have not ended",
    )
    parser.add_argument(
        "--show-preempted",
        action="store_true",
        help="let the program read PREEMPTED as it is, and not as SYSTEM_ERROR",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _wes_run_id(arguments: List[str]) -> Optional[str]:
    # Not with the launcher: whoever starts a program waits for what is imported here.
    cwl_wes: Any = importlib.import_module("callback_client.cwl_wes")
    found: Optional[str] = cwl_wes.wes_run_id(arguments, Path.cwd())
    return found


def _started(command: List[str]) -> List[str]:
    """A module, or a script that says not how it is started: by the Python that is found first."""
    is_script = command[0].endswith(".py") and not shutil.which(command[0])
    if command[0] == "-m" or (is_script and Path(command[0]).is_file()):
        python = shutil.which("python") or shutil.which("python3") or sys.executable
        return [python, *command]
    return command


def _found(name: str) -> Optional[str]:
    """As a shell finds it, but for scripts that stand in for it to start it with this launcher."""
    if os.path.dirname(name):  # noqa: PTH120 - for `./name` is no `name`
        return shutil.which(name)
    for folder in os.get_exec_path():
        program = shutil.which(name, path=folder or os.curdir)
        if program and not _starts_us(program):
            return program
    return None


def _starts_us(program: str) -> bool:
    beginning = _beginning(program)
    return beginning.startswith(b"#!") and b"callback-exec" in beginning


def _beginning(program: str) -> bytes:
    try:
        with Path(program).open("rb") as file:
            return file.read(FIRST_LINE)
    except OSError:
        # It may be executed and not read.
        return b""


def _is_deaf(program: str) -> bool:
    words = _beginning(program).partition(b"\n")[0].decode("utf-8", "replace").split()
    is_python = bool(words) and words[0].startswith("#!") and "python" in " ".join(words[:2])
    flags = "".join(word for word in words[1:] if word.startswith("-"))
    return is_python and bool(DEAF_FLAGS & set(flags))


def _environ(options: argparse.Namespace) -> Dict[str, str]:
    before = os.environ.get("PYTHONPATH")
    settings = {
        "run": options.run,
        "service": options.service,
        "server": options.server,
        "hide_preempted": not options.show_preempted,
        "wes_target": options.cwl_wes,
        "wes_run_id": options.wes_run_id,
    }
    wishes = {
        "pythonpath": before,
        "settings": settings,
        "cancel_on_exit": options.cancel_on_exit,
    }
    path = os.pathsep.join([STARTUP, before] if before else [STARTUP])
    return {**os.environ, "PYTHONPATH": path, VARIABLE: json.dumps(wishes)}


def _say(message: str) -> None:
    print(f"callback-exec: {message}", file=sys.stderr)  # noqa: T201 - it is a command


def _end(message: str, status: int) -> NoReturn:
    _say(message)
    sys.exit(status)


if __name__ == "__main__":
    main()
