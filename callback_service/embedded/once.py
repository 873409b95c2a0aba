"""A command of ours that is run once and has to go well."""

import subprocess

from callback_service.embedded.errors import CannotStart, GaveUp
from callback_service.embedded.stack import OneShot

# Seconds; it imports the service and writes one document.
_PATIENCE = 30
_WRONG_USE = 2


def run_once(command: OneShot) -> None:
    """Raises `CannotStart` where it was told something wrong, else `GaveUp`, as it said last."""
    try:
        done = subprocess.run(
            command.line,
            env=command.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GaveUp(f"{' '.join(command.line[-4:])} took more than {_PATIENCE} s.") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        sentence = f"The TES server could not be registered: {said[-1].removeprefix('Error: ')}"
        raise (CannotStart if done.returncode == _WRONG_USE else GaveUp)(sentence)
