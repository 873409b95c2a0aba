"""Ids of tasks as they stand in paths: they must not lead anywhere else."""

import re
from typing import NamedTuple, Self
from urllib.parse import unquote

from callback_service.domain.errors import Unknown

# As the contract has it for callbacks.
_TASK_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,512}")
_SEPARATORS = re.compile(r"[/\\]")


class TaskPath(NamedTuple):
    """A task's id, and how it stands in a path."""

    task_id: str
    quoted: str

    @classmethod
    def read(cls, quoted: str) -> Self:
        """Raises `Unknown` for what can be the id of no task."""
        try:
            task_id = unquote(quoted, errors="strict")
        except UnicodeDecodeError:
            task_id = ""
        # Quoted or not: clients, proxies and servers resolve them as steps in the path, and the
        # request would be about something else than a task.
        steps = {step.partition(";")[0] for step in _SEPARATORS.split(task_id)}
        if not is_task_id(task_id) or not steps.isdisjoint({".", ".."}):
            raise Unknown("no task can have this id; see the answer to its POST for the right one")
        return cls(task_id, quoted)

    @property
    def path(self) -> str:
        return f"/tasks/{self.quoted}"


def is_task_id(text: str) -> bool:
    return _TASK_ID.fullmatch(text) is not None
