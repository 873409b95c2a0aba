"""What grows and what levels off: samples of a system, and how later ones compare to earlier."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.faults.usage import usage_of
from tests.faults.world import DATABASE, World

# What passes with the runs; the others hold a document for each server, or each kind of work.
PASSING = ("tasks", "runs", "deliveries", "dead_letters")


class Bound(NamedTuple):
    """How far the later may exceed the earlier: a busy machine and allocators need some air."""

    factor: float
    more: float


BOUNDS = {
    "documents": Bound(1.5, 50),
    "memory": Bound(1.15, 20),
    "files": Bound(1.0, 10),
    "sockets": Bound(1.1, 10),
}


class Level(NamedTuple):
    kind: str
    where: str


Sample = Mapping[Level, float]


def sample(world: World) -> Sample:
    return {**_documents(world), **_held(world)}


def documents_left(world: World) -> dict[str, int]:
    """Of what is to pass."""
    levels = _documents(world)
    return {
        name: count for name in PASSING if (count := levels.get(Level("documents", name), 0)) > 0
    }


def exceeded(samples: Sequence[Sample]) -> Iterator[str]:
    """Where the second half exceeds the first by more than it may."""
    half = len(samples) // 2
    for level in sorted({level for one in samples for level in one}):
        earlier, later = (
            max(one.get(level, 0) for one in part) for part in (samples[:half], samples[half:])
        )
        bound = BOUNDS[level.kind]
        if later > bound.factor * earlier + bound.more:
            yield f"{level.kind} of {level.where} grew from {earlier:.0f} to {later:.0f}"


def most(samples: Sequence[Sample], kind: str) -> float:
    """Of all of a kind together, in the sample that has most."""
    return max(sum(value for level, value in one.items() if level.kind == kind) for one in samples)


def _documents(world: World) -> dict[Level, int]:
    with world.system.database.client() as client:
        database = client[DATABASE]
        return {
            Level("documents", name): database[name].count_documents({})
            for name in database.list_collection_names()
        }


def _held(world: World) -> dict[Level, float]:
    levels = {}
    for process in world.system.processes:
        for kind, value in usage_of(process.pid)._asdict().items():
            levels[Level(kind, process.name)] = value
    return levels
