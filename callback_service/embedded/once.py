"""A command of ours that is run once and has to go well."""

import subprocess

from callback_service.embedded.errors import GaveUp
from callback_service.embedded.stack import OneShot

# Seconds; it imports the service and writes one document.
_PATIENCE = 30


def run_once(command: OneShot) -> None:
    """Raises `GaveUp` with the last line that it said."""
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
        raise GaveUp(f"The TES server could not be registered: {said[-1].removeprefix('Error: ')}")
