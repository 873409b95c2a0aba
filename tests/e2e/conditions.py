"""Tests wait for what shall come to pass, and never just for a time to pass."""

import time

# Longer than anything takes on a busy machine: a test that waits so long has failed.
PATIENCE = 30.0


def until(holds, within=PATIENCE, what="it did not come to pass"):
    """Wait until `holds()` is true, and return what it returned."""
    deadline = time.monotonic() + within
    while not (answer := holds()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)
    return answer


def never(happens, during):
    """Watch for a while that something does not happen."""
    deadline = time.monotonic() + during
    while time.monotonic() < deadline:
        assert not happens()
        time.sleep(0.05)
