"""Tasks that a server has when it starts."""

from collections.abc import Iterator, Mapping
from typing import Any

from callback_service.domain.states import State
from callback_service.tes_sim.script import Script, Step

_FINISHED = Script((Step(State.COMPLETE),))
_OPEN = Script((Step(State.RUNNING),))


def premade(finished: int, still_open: int) -> Iterator[tuple[Mapping[str, Any], Script]]:
    """Open ones spread evenly, as they are among what has ended."""
    total = finished + still_open
    for number in range(total):
        is_open = number * still_open % total < still_open
        yield _body(number), _OPEN if is_open else _FINISHED


def _body(number: int) -> Mapping[str, Any]:
    executor = {"image": "alpine", "command": ["true"]}
    return {"name": f"made-{number}", "executors": [executor], "tags": {"made": str(number)}}
