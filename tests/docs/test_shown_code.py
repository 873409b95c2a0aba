"""What a page shows of a program is what the tests of that program run."""

import re

import pytest

from tests.docs.markdown import REPOSITORY, blocks, documents

# `py` is to be read, as `python` is typed; its first line says where all of it stands.
_FIRST_LINE = re.compile(r"# (examples/\S+\.py)\n")
MOST_LINES = 75
SHOWN = [
    (document, line, text) for document in documents() for line, text in blocks(document, "py")
]


@pytest.mark.parametrize(
    ("document", "line", "text"), SHOWN, ids=[f"{one.name}:{line}" for one, line, _ in SHOWN]
)
def test_code_in_a_page_is_that_of_a_program(document, line, text):
    named = _FIRST_LINE.match(text)
    assert named, f"{document.name}:{line} does not say where it is from"
    program = (document.parent / named[1]).read_text(encoding="utf-8")
    assert text[named.end() :].strip("\n") in program


def test_integrations_are_told_within_a_screen():
    pages = {
        path.name: path.read_text(encoding="utf-8").count("\n")
        for path in (REPOSITORY / "docs" / "integrations").glob("*.md")
    }
    assert {name: lines for name, lines in pages.items() if lines > MOST_LINES} == {}
