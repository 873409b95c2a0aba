"""What a program leaves running at TES servers when somebody ends it."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any, Dict, Tuple

log = logging.getLogger("callback_client")

AT_ONCE = 8


class Unfinished:
    """The tasks that were submitted and have not ended, as far as the program was told.

    Each is canceled by the client that submitted it: that one has the credentials.
    """

    def __init__(self) -> None:
        self._tasks: Dict[Tuple[str, str], Any] = {}
        self._is_ending = False
        if hasattr(os, "register_at_fork"):
            # They are the parent's: pools end their children by SIGTERM, and go on themselves.
            os.register_at_fork(after_in_child=self._tasks.clear)

    def add(self, client: Any, task_id: str) -> None:
        self._tasks[client.url, task_id] = client
        if self._is_ending:
            # A thread was about to submit it when somebody ended the program.
            self.cancel()

    def drop(self, client: Any, task_id: str) -> None:
        self._tasks.pop((client.url, task_id), None)

    def cancel(self) -> None:
        """Cancel them all; what one server refuses is no reason to leave the others."""
        self._is_ending = True
        if self._tasks:
            # Some programs say at their end that their tasks go on, for alone they would.
            log.warning("canceling %d remote task(s)", len(self._tasks))
        threads = [threading.Thread(target=self._cancel_some) for _ in range(AT_ONCE)]
        for thread in threads[: len(self._tasks)]:
            thread.start()
        for thread in threads:
            if thread.ident:
                thread.join()

    def _cancel_some(self) -> None:
        while True:
            try:
                (_, task_id), client = self._tasks.popitem()
            except KeyError:
                return
            try:
                client.cancel_task(task_id)
            except Exception as error:  # noqa: BLE001 - it may have ended meanwhile, or the server
                log.warning("task %s was not canceled: %s", task_id, error)
