"""What a poll saw."""

from dataclasses import dataclass, field

from callback_service.domain.states import State


@dataclass
class Seen:
    """By task id: the states that the server told, those it does not know, or told nothing of."""

    states: dict[str, State] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    skipped: int = 0

    @property
    def known(self) -> set[str]:
        """The tasks of which the server told a state."""
        return {task_id for task_id, state in self.states.items() if state is not State.UNKNOWN}

    def note(self, task_id: str, state: State | None) -> None:
        if state is None:
            self.missing.add(task_id)
        else:
            self.states[task_id] = state

    def has(self, task_id: str) -> bool:
        return task_id in self.states or task_id in self.missing or task_id in self.silent
