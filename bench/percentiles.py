"""Percentiles by nearest rank: each is a value that was measured."""

import math
from collections.abc import Iterable


def percentile(values: Iterable[float], share: float) -> float | None:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def milliseconds(values: Iterable[float]) -> dict[str, float | None]:
    """p50 and p99 of values in seconds."""
    ordered = sorted(values)
    return {
        name: None if value is None else round(value * 1000, 1)
        for name, value in (
            ("p50", percentile(ordered, 0.50)),
            ("p99", percentile(ordered, 0.99)),
        )
    }
