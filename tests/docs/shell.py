"""Runs the examples of a document one after the other, as a reader would."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import Example

PATIENCE = 240.0
_MARK = "-- example {} --"
_LONGER_OR_SHORTER = re.compile(r"\b\d+(\.\d+)? (ms|s)\b|\b\d\d:\d\d:\d\d\.\d{3}\b")


@dataclass(frozen=True)
class Shell:
    folder: Path
    environ: Mapping[str, str]
    # What stands in the documents, and what is meant here.
    ports: Mapping[str, str]

    def run(self, examples: Sequence[Example]) -> list[str]:
        """What each of them says, and `exit code N` below it where it failed."""
        ended = subprocess.run(
            ["bash"],
            input=self._meant("".join(map(_marked, range(len(examples)), examples))),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.environ,
            timeout=PATIENCE,
            check=False,
        )
        first, *said = re.split(_MARK.format(r"\d+") + "\n", ended.stdout)
        assert first == "", first
        return said

    def _meant(self, text: str) -> str:
        for written, meant in self.ports.items():
            text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{meant}")
            text = re.sub(rf'(--port |"", |"127.0.0.1", ){written}\b', rf"\g<1>{meant}", text)
        return text

    def written(self, text: str) -> str:
        """What was said, as it would be on a machine where the documents' ports are free."""
        for written, meant in self.ports.items():
            text = text.replace(f"127.0.0.1:{meant}", f"127.0.0.1:{written}")
        return text


def _marked(number: int, example: Example) -> str:
    return (
        f"printf '%s\\n' '{_MARK.format(number)}'\n{example.typed}\n"
        'code=$?; [ "$code" = 0 ] || echo "exit code $code"\n'
    )


def agrees(said: str, expected: str) -> bool:
    """Whether it is what the document shows.

    `…` stands for anything within a line, and for any lines where it stands alone. How long
    something took, and how far columns are apart, may differ.
    """
    pattern = "".join(
        r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
        for line in _essence(expected)
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _essence(said))) is not None


def _essence(text: str) -> list[str]:
    timeless = _LONGER_OR_SHORTER.sub("TIME", text)
    return [" ".join(line.split()) for line in timeless.strip().splitlines()]
