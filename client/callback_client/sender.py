"""What a TES server calls its tasks' callback URLs with."""

from __future__ import annotations

import uuid
import weakref
from typing import Optional

from callback_client.backlog import Change
from callback_client.courier import Counts, Courier
from callback_client.listener import Listener

# What a task's states wait for in all: some megabytes, if nobody listens for long.
CAPACITY = 10_000


class Sender:
    """Tells the listener at a callback URL which states tasks came into. Threads can share it.

    `send` returns at once: a thread of its own tells the listener, one state after the other,
    those of a task in their order, and tries again until the listener has taken them. Before the
    program ends it waits for that, `linger` seconds at most (see `close`).

    `secret` (`whsec_` and base64) signs what is sent, as Standard Webhooks says. `capacity` is how
    many states may wait, and `timeout` how many seconds each answer may take.

    Raises `ValueError` where nothing can be posted to `url`, or `secret` is none.
    """

    def __init__(
        self,
        url: str,
        secret: Optional[str] = None,
        *,
        capacity: int = CAPACITY,
        timeout: float = 10.0,
        linger: float = 10.0,
    ) -> None:
        if capacity < 1:
            raise ValueError("at least one state must be able to wait")
        if timeout <= 0:
            raise ValueError("an answer takes its time")
        self._courier = Courier(Listener(url, secret), capacity, timeout, linger)
        # Whoever forgets the sender leaves no thread behind, and nothing untold. At the end of the
        # program that is the courier's own affair.
        weakref.finalize(self, self._courier.leave).atexit = False

    def send(self, task_id: str, state: str) -> bool:
        """Let the listener know that a task came into a state.

        Returns whether it will be told, or has no need to be, for that is the state which is told
        last already. False says that it is given up: too much waits, or the sender is closed.
        That is logged; nothing is raised, but `TypeError` or `ValueError` where this is no task
        or no state.
        """
        return self._courier.add(
            Change(_plain("task id", task_id), _plain("state", state), f"msg_{uuid.uuid4().hex}")
        )

    @property
    def counts(self) -> Counts:
        """What became of the states so far."""
        return self._courier.counts

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits any more, that many seconds at most; whether it came to that."""
        return self._courier.flush(timeout)

    def close(self, timeout: Optional[float] = None) -> bool:
        """Tell what waits, within that many seconds (`linger`, if it is not said), and end.

        What could not be told by then is given up, and named in the log. Returns
        whether everything that was ever sent has been told. To close twice does nothing.

        Leaving the `with`, and the end of the program, do the same. They do not where a process is
        killed, or ends by `os._exit`, as the children of `multiprocessing` do.
        """
        self._courier.hurry(self._courier.linger if timeout is None else timeout)
        return self._courier.finish()

    def __enter__(self) -> Sender:  # noqa: PYI034 - Python 3.8 has no Self
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _plain(what: str, text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a {what} is text, not {text!r}")
    if not text:
        raise ValueError(f"a {what} is not empty")
    # The members of a `str` enum are text, but their names stand in for it in messages.
    return str.__str__(text)
