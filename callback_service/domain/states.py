"""The states of a TES task (TES 1.1.0, `tesState`)."""

from enum import StrEnum


class State(StrEnum):
    """A task's state, in the order of the specification's enum."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    PREEMPTED = "PREEMPTED"
    CANCELING = "CANCELING"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset(
    {
        State.COMPLETE,
        State.EXECUTOR_ERROR,
        State.SYSTEM_ERROR,
        State.CANCELED,
        State.PREEMPTED,
    }
)


class Source(StrEnum):
    """Who told of a state."""

    CALLBACK = "callback"
    POLL = "poll"
    GATEWAY = "gateway"
    BRIDGE = "bridge"

    @property
    def is_truth(self) -> bool:
        """Whether it is the TES server's own answer, which corrects everything else."""
        return self in {Source.POLL, Source.GATEWAY}
