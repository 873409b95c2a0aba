"""cwl-WES, as far as its database can tell: the documents that it makes, and its own writes.

It selects documents by `task_id` (of its Celery task) and looks at nothing before it writes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo.collection import Collection

Document = dict[str, Any]


def task_log(task_id: str, state: str) -> Document:
    """A task as py-tes has it in view FULL, which is what cwl-WES pushes."""
    return {
        "id": task_id,
        "state": state,
        "name": f"step {task_id}",
        "resources": {"cpu_cores": 1, "ram_gb": 0.25},
        "executors": [{"image": "alpine", "command": ["true"], "workdir": "/var/spool/cwl"}],
        "logs": [{"logs": [{"start_time": "2025-06-12T14:30:00Z"}]}],
    }


def states_in(logs: list[Document]) -> dict[str, str]:
    """Of each task; there must be one log of each."""
    named = [log for log in logs if log]
    states = {log["id"]: log["state"] for log in named}
    assert len(states) == len(named), f"a task is there twice: {named}"
    return states


@dataclass
class CwlWes:
    """One run of it."""

    runs: Collection[Document]
    run_id: str = "A1B2C3"

    @property
    def task_id(self) -> str:
        return f"celery-{self.run_id}"

    def create(self, state: str = "UNKNOWN") -> None:
        self.runs.insert_one(
            {
                "api": {
                    "request": {"workflow_type": "CWL", "workflow_params": {}},
                    "state": state,
                    "run_log": {},
                    "task_logs": [],
                    "outputs": {},
                },
                "internal": {"tmp_dir": f"/data/tmp/{self.run_id}"},
                "run_id": self.run_id,
                "task_id": self.task_id,
                "user_id": None,
            }
        )

    def start(self) -> None:
        started = {"internal.task_started": datetime(2025, 6, 12, tzinfo=UTC)}
        self._update({"$set": started})
        self.be("RUNNING")

    def be(self, state: str) -> None:
        self._update({"$set": {"api.state": state}})

    def push(self, log: Document) -> None:
        self._update({"$push": {"api.task_logs": log}})

    def set_state(self, task_id: str, state: str) -> None:
        """What its `$set` of `api.task_logs.$.state` does: the first log with that id moves.

        Put in two steps, for there are engines that do not find `$` in a nested array; a
        test that lets somebody write in between would ask too much.
        """
        ids = [log.get("id") for log in self.logs()]
        if task_id in ids:
            self._update({"$set": {f"api.task_logs.{ids.index(task_id)}.state": state}})

    def set_logs(self, *logs: Document) -> None:
        self._update({"$set": {"api.task_logs": list(logs)}})

    def complete(self, *logs: Document) -> None:
        self.set_logs(*logs)
        self.be("COMPLETE")

    def begin_to_complete(self) -> None:
        """The first of its writes when its engine has ended."""
        self._update({"$set": {"internal.task_finished": datetime(2025, 6, 12, tzinfo=UTC)}})

    def document(self) -> Document:
        found = self.runs.find_one({"run_id": self.run_id}, {"_id": False})
        assert found is not None
        return found

    def state(self) -> str:
        state: str = self.document()["api"]["state"]
        return state

    def logs(self) -> list[Document]:
        logs: list[Document] = self.document()["api"]["task_logs"]
        return logs

    def states(self) -> dict[str, str]:
        return states_in(self.logs())

    def _update(self, change: Document) -> None:
        assert self.runs.update_one({"task_id": self.task_id}, change).matched_count
