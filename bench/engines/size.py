"""How much the engines are given to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Tasks of py-tes and cwl-tes, and how long they take; Snakemake has five jobs."""

    tasks: int
    seconds: float
    job_seconds: int
