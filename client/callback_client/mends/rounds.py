"""Looks at many jobs in rounds."""

from __future__ import annotations

from typing import Collection, Dict, Set

# Those of which nothing is heard wait for a later round, and what was told is not held up by them.
AT_ONCE = 10


class Rounds:
    """Whom to ask in each round of looks: whose end was told, and who was not asked for long."""

    def __init__(self) -> None:
        self._ended: Set[str] = set()
        self._asked: Dict[str, float] = {}

    def due(
        self, ids: Collection[str], ended: Collection[str], patience: float, now: float
    ) -> Set[str]:
        # An end may be told before Snakemake counts the job among its active ones.
        self._ended.update(ended)
        told = self._ended.intersection(ids)
        asked = {one: self._asked.get(one, now) for one in ids}
        quiet = sorted((one for one in ids if now - asked[one] >= patience), key=asked.__getitem__)
        due = told.union(quiet[:AT_ONCE])
        self._ended -= told
        self._asked = {one: now if one in due else at for one, at in asked.items()}
        return due
