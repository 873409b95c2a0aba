"""JSON read piece by piece: what is long is never a tree as a whole."""

import json
import re
from collections.abc import Iterator
from typing import Any

# Character by character, megabytes of it would take seconds.
_SPACE = re.compile(r"[ \t\n\r]*")


class Reader:
    """A place in a JSON text, which moves on. Each method raises `ValueError` for what is none.

    So it does where `decoder` does; and `RecursionError` for what is nested too deeply.
    """

    def __init__(self, text: str, decoder: json.JSONDecoder, at: int = 0) -> None:
        self.text = text
        self.at = at
        self._decoder = decoder

    def is_at(self, mark: str) -> bool:
        self._skip_space()
        return self.text.startswith(mark, self.at)

    def value(self) -> Any:
        self._skip_space()
        value, self.at = self._decoder.raw_decode(self.text, self.at)
        return value

    def written(self) -> str:
        """A value as it stands there: numbers and order survive."""
        self._skip_space()
        begun = self.at
        self.value()
        return self.text[begun : self.at]

    def members(self) -> Iterator[str]:
        """Each name of an object; its value is to be read before the next one."""
        for _ in self._parts("{", "}"):
            name = self.value()
            if not isinstance(name, str):
                raise ValueError("a name of a field is not a string")  # noqa: TRY004  as others do
            self._pass(":")
            yield name

    def items(self) -> Iterator[None]:
        """For each item of a list, which is to be read before the next one."""
        return self._parts("[", "]")

    def end(self) -> None:
        self._skip_space()
        if self.at != len(self.text):
            raise ValueError("more follows")

    def _parts(self, opening: str, closing: str) -> Iterator[None]:
        self._pass(opening)
        if not self.is_at(closing):
            yield
            while self.is_at(","):
                self._pass(",")
                yield
        self._pass(closing)

    def _pass(self, mark: str) -> None:
        if not self.is_at(mark):
            raise ValueError(f"{mark} is missing")
        self.at += len(mark)

    def _skip_space(self) -> None:
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
