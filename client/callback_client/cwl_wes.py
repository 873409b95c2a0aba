"""A run that cwl-WES has started: found by where its engine runs, and registered as what it is.

cwl-WES tells its engine nothing of itself. But it starts it in a folder that is named after the
run, with files of the workflow from another folder of that name; both together are nobody else's.
"""

from __future__ import annotations

import atexit
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional, Sequence

from callback_client.client import CallbackClient
from callback_client.errors import CallbackServiceError
from callback_client.values import Run

log = logging.getLogger("callback_client")

# Where cwl-WES puts what a run was submitted with, in the run's own folder for outputs.
WORKFLOW_FILES = "workflow_files"
# On runs of the service, so that an engine that is started again finds the one of before.
TAG = "cwl-wes"
LIFETIME = 7 * 24 * 60 * 60
# What the last news needs to be told, and operators to find a run that cwl-WES' worker did not live
# to complete: no longer than this is it listed as stuck, and given up unasked where that is set.
AFTER_THE_END = 24 * 60 * 60


def wes_run_id(arguments: Sequence[str], folder: Path) -> Optional[str]:
    """The id of the run whose engine is started with these arguments in that folder."""
    for argument in arguments:
        parts = Path(argument).parts
        if (folder.name, WORKFLOW_FILES) in zip(parts, parts[1:]):
            return folder.name
    return None


class WesRun:
    """A run of cwl-WES, whose document the service writes: `target` is the name of its database."""

    def __init__(self, client: CallbackClient, target: str, run_id: str, name: str) -> None:
        self._client = client
        self._sink = {"type": "cwl-wes", "target": target, "wes_run_id": run_id}
        self._tags = {TAG: f"{target}/{run_id}"}
        self._name = name
        self._is_refused = False

    def register(self, server: Optional[str] = None) -> str:
        """The id of its run at the service; a plain one, where the service refuses the sink."""
        if not self._is_refused:
            try:
                run = self._go_on() or self._begin(
                    server, tags=self._tags, sink=self._sink, expires_in=LIFETIME
                )
            except CallbackServiceError as error:
                if error.status != 400:
                    raise
                log.warning("%s; cwl-WES is not told of this run's tasks", error)
                self._is_refused = True
            else:
                # Not of a child, which has copies of what is to be done at the end.
                atexit.register(self._end, run.id, os.getpid())
                return run.id
        return self._begin(server).id

    def _begin(self, server: Optional[str], **how: Any) -> Run:
        return self._client.register(self._name, server=server, **how)

    def _go_on(self) -> Optional[Run]:
        """With the run of an engine that has died, and whose tasks may still be running."""
        for run in self._client.runs(tags=self._tags, status="active"):
            if self._sink.items() <= run.sink.items():
                return self._client.change(run.id, expires_in=LIFETIME)
        return None

    def _end(self, run_id: str, process: int) -> None:
        """When its engine ends by itself. One that is killed leaves tasks that are still told."""
        if os.getpid() == process:
            # In silence: cwl-WES reads the outputs from what was printed last.
            with suppress(Exception):
                self._client.change(run_id, expires_in=AFTER_THE_END)
