"""What is measured, and for how long."""

from dataclasses import dataclass

TASK_STATES = ("INITIALIZING", "QUEUED", "RUNNING", "COMPLETE")
NEW_TASKS = ("INITIALIZING",)


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in seconds; `rate` in callbacks per second."""

    connections: int = 16
    rate: int = 100
    seconds: float = 6.0
    warm_up: float = 2.0
    # What is not delivered so long after the last callback is lost.
    patience: float = 20.0
    api_processes: int = 2


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when is measured, on the monotonic clock that all processes share."""

    begins: float
    ends: float

    def holds(self, at: float) -> bool:
        return self.begins <= at < self.ends

    @property
    def seconds(self) -> float:
        return self.ends - self.begins
