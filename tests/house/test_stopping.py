"""Whoever ends a process waits for what the process itself waits for."""

import re
from pathlib import Path

import callback_service
from callback_service.config.settings import Settings

PACKAGE = Path(callback_service.__file__).parent


def seconds(pattern: str, *path: str) -> int:
    # Not imported: `serve` has gevent take the place of this process's threads.
    source = PACKAGE.joinpath(*path).read_text(encoding="utf-8")
    return int(re.search(pattern, source, re.MULTILINE)[1])


def test_a_task_that_is_being_submitted_is_not_cut_short():
    grace = seconds(r"^GRACE = (\d+)$", "serve.py")
    assert grace > Settings().gateway.timeout
    assert seconds(r'Command\("API".* grace=(\d+)\)', "embedded", "stack.py") > grace
