"""All chance in a run comes from one seed, by which the run can be repeated."""

import random
import secrets

_MOST = 10**6


def choose() -> int:
    return secrets.randbelow(_MOST)


def chance(seed: int, name: str) -> random.Random:
    """A source of its own for everything that has a name: none changes what the others do."""
    return random.Random(f"{seed}/{name}")
