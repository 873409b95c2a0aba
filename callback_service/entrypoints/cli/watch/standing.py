"""How a run stands, as the service counts its tasks."""

from callback_service.domain.states import FINAL, State
from callback_service.entrypoints.cli.service_client import Json


def tasks_of(run: Json) -> int:
    return sum(run["tasks"].values())


def ended_of(run: Json) -> int:
    return sum(count for state, count in run["tasks"].items() if state in FINAL)


def has_ended(run: Json) -> bool:
    """Whether it has tasks, and all of them have ended."""
    return 0 < tasks_of(run) == ended_of(run)


def not_well(run: Json) -> int:
    """How many have ended otherwise than `COMPLETE`."""
    complete: int = run["tasks"].get(State.COMPLETE, 0)
    return ended_of(run) - complete
