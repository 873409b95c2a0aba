"""The documents of this repository: their examples, and where their links lead."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|<(?:img|source)[^>]* (?:src|srcset)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_FILE_NAME = re.compile(r"# (\w+\.py)\n")


@dataclass(frozen=True)
class Example:
    """Something that a reader types: a shell command, or Python. `said` is what it answers."""

    line: int
    typed: str
    said: str = ""


def documents() -> list[Path]:
    folders = (REPOSITORY.glob("*.md"), REPOSITORY.glob("client/*.md"))
    return sorted(
        [*(path for found in folders for path in found), *REPOSITORY.glob("docs/**/*.md")]
    )


def blocks(document: Path, language: str) -> Iterator[tuple[int, str]]:
    """The fenced blocks of a language, each with the line that it begins at."""
    text = document.read_text(encoding="utf-8")
    for fence in _FENCE.finditer(text):
        if fence[1] == language:
            yield text.count("\n", 0, fence.start()) + 1, fence[2]


def examples(document: Path) -> list[Example]:
    """What is executed: `console` and `python`. What is only to be read is marked otherwise.

    In `console`, a line with a `$` is typed, and goes on in the indented lines right below it; what
    it answers is below that. Python that begins with `# name.py` is a file, for others to run.
    """
    found = [one for line, text in blocks(document, "console") for one in _commands(line, text)]
    found += [Example(line, _python(text)) for line, text in blocks(document, "python")]
    return sorted(found, key=lambda one: one.line)


def _commands(begin: int, text: str) -> Iterator[Example]:
    said: list[str] = []
    typed, line = "", begin
    for number, row in enumerate(text.splitlines(), start=begin + 1):
        if row.startswith("    ") and typed and not said:
            typed += f"\n{row}"
        elif row.startswith("$ "):
            if typed:
                yield Example(line, typed, "\n".join(said))
            typed, line, said = row.removeprefix("$ "), number, []
        else:
            said.append(row)
    yield Example(line, typed, "\n".join(said))


def _python(text: str) -> str:
    name = _FILE_NAME.match(text)
    to = f"cat > {name[1]}" if name else "python -"
    return f"{to} <<'PYTHON'\n{text}PYTHON"


def links(document: Path) -> list[str]:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return [first or second for first, second in _LINK.findall(text)]


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(text)
    }
