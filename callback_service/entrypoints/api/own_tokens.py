"""Tokens of this service in headers that are meant for others, wherever in them they stand."""

import base64
import re
from collections.abc import Iterator
from contextlib import suppress

from callback_service.domain.capability import API_TOKEN_PREFIX

# At the beginning of a word: somebody else's random token has these characters in it now and then.
_OURS = re.compile(rf"(?<![A-Za-z0-9_-]){API_TOKEN_PREFIX}")
# A token may itself have some of these characters in it, so that there are two ways to part them.
_PARTINGS = (re.compile(r"[\s,;]+"), re.compile(r"[\s,;:=\"']+"))
_URL_SAFE = str.maketrans("-_", "+/")


def looks_like_ours(header: str) -> bool:
    return any(_OURS.search(text) for text in _readings(header))


def words_of(header: str) -> set[str]:
    """What in it may be a token: schemes have theirs bare, named, quoted, or encoded."""
    return {word for text in _readings(header) for word in _words(text) if word}


def _readings(header: str) -> Iterator[str]:
    """As it stands, and what is encoded in it."""
    yield header
    for word in _words(header):
        padded = word.translate(_URL_SAFE) + "=" * (-len(word) % 4)
        with suppress(ValueError):
            yield base64.b64decode(padded, validate=True).decode("latin-1")


def _words(text: str) -> Iterator[str]:
    for parting in _PARTINGS:
        for part in parting.split(text):
            yield from (part, part.partition("=")[2].strip('"'))
