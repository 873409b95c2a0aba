"""What happens to the callbacks of one task on their way."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.faults.records import Turn

# Seconds after which one that was overtaken comes, behind the one that overtook it.
_OVERTAKEN_BY = 0.1
# An end that was none is told amid this state.
_RUNNING, _NO_END = "RUNNING", "SYSTEM_ERROR"


@dataclass(frozen=True, slots=True)
class Mishaps:
    """Shares of all callbacks; the last two of all tasks. `delay` in seconds.

    `overtaken` comes after its successor. `replayed`: once the task has ended everything is told
    again, as TESK's sender does. `undone`: an end is told that is none.
    """

    dropped: float = 0.0
    repeated: float = 0.0
    late: float = 0.0
    overtaken: float = 0.0
    replayed: float = 0.0
    undone: float = 0.0
    delay: tuple[float, float] = (0.5, 3.0)


class Post(NamedTuple):
    """A callback that arrives; `mishap` is empty where it does as it should."""

    at: float
    state: str
    mishap: str = ""


def posts(turns: Sequence[Turn], mishaps: Mishaps, chance: random.Random) -> list[Post]:
    """What arrives of a task's callbacks, and when."""
    told = [one for place in range(len(turns)) for one in _each(turns, place, mishaps, chance)]
    if chance.random() < mishaps.replayed:
        late = turns[-1].at + chance.uniform(*mishaps.delay)
        told += [
            Post(late + _OVERTAKEN_BY * n, one.state, "repeated") for n, one in enumerate(turns)
        ]
    if chance.random() < mishaps.undone:
        began = next((one.at for one in turns if one.state == _RUNNING), turns[0].at)
        told.append(Post(began + _OVERTAKEN_BY, _NO_END, "undone"))
    return sorted(told)


def _each(
    turns: Sequence[Turn], place: int, mishaps: Mishaps, chance: random.Random
) -> Iterator[Post]:
    at, state = turns[place]
    # All are drawn in any case: what befalls one changes nothing for the others.
    draws, delay = [chance.random() for _ in range(4)], chance.uniform(*mishaps.delay)
    if draws[0] < mishaps.dropped:
        return
    if draws[1] < mishaps.late:
        yield Post(at + delay, state, "late")
    elif draws[2] < mishaps.overtaken and place + 1 < len(turns):
        yield Post(turns[place + 1].at + _OVERTAKEN_BY, state, "overtaken")
    else:
        yield Post(at, state)
    if draws[3] < mishaps.repeated:
        yield Post(at + delay, state, "repeated")
