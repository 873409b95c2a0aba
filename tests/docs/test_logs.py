"""Operators find in the documentation whatever they find in the log."""

import re

from tests.docs.markdown import REPOSITORY

CODE = REPOSITORY / "callback_service"
_LOGGED = re.compile(r"\blog\.(?:debug|info|warning|error|exception)\(\s*\"([^\"]+)\"")


def test_every_line_of_the_log_is_explained():
    logged = {name for path in CODE.rglob("*.py") for name in _LOGGED.findall(path.read_text())}
    assert "callback.received" in logged
    explained = (REPOSITORY / "docs" / "operators.md").read_text("utf-8")
    assert {name for name in logged if f"`{name}`" not in explained} == set()
