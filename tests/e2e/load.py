"""TES servers with many tasks that all call back at once."""

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.e2e.conditions import PATIENCE, until
from tests.e2e.system import TESK_SENDS, new_task

SENDERS = 8
PAUSE = 0.05


class Load:
    """Calls back as TESK does, for task after task, until it is told to stop.

    What was answered 204, and only that, is acknowledged. A task whose callback
    was not acknowledged goes no further, as if its sender had died.
    """

    def __init__(self, *runs):
        self.refused = 0
        self._runs = runs
        # By run and task, the states in order.
        self._acknowledged = defaultdict(dict)
        self._stopping = threading.Event()

    def __enter__(self):
        self._pool = ThreadPoolExecutor(SENDERS)
        self._senders = [self._pool.submit(self._send, number) for number in range(SENDERS)]
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._pool.shutdown()
        for sender in self._senders:
            sender.result()

    @property
    def count(self):
        tasks = [
            states for one in list(self._acknowledged.values()) for states in list(one.values())
        ]
        return sum(map(len, tasks))

    def until_more(self, count=100):
        before = self.count
        until(lambda: self.count >= before + count, what="callbacks are not acknowledged any more")

    def moves(self, run):
        """What the run must be told, by task: a repeat is no move."""
        return {
            task: [state for i, state in enumerate(states) if i == 0 or state != states[i - 1]]
            for task, states in self._acknowledged[run].items()
        }

    def until_told(self, run, receiver, within=PATIENCE):
        """Wait until everything that was acknowledged was told, in order.

        A last callback that was not acknowledged may be told as well: nobody
        knows what became of it.
        """

        def missing():
            told = receiver.all_states()
            return {
                task: (moves, told.get(task, []))
                for task, moves in self.moves(run).items()
                if told.get(task, [])[: len(moves)] != moves
            }

        until(lambda: not missing(), within, lambda: f"acknowledged, but told: {missing()}")

    def _send(self, number):
        with requests.Session() as session:
            while not self._stopping.is_set():
                run = self._runs[number % len(self._runs)]
                if not self._play(session, run, new_task()):
                    self.refused += 1
                    self._stopping.wait(PAUSE)

    def _play(self, session, run, task):
        """Whether all of a task's callbacks were acknowledged, or somebody said stop."""
        acknowledged = self._acknowledged[run].setdefault(task, [])
        for state in TESK_SENDS:
            if self._stopping.is_set():
                return True
            callback = {"id": task, "state": state}
            try:
                answer = session.post(run.callback_url, json=callback, timeout=10)
            except requests.RequestException:
                return False
            if answer.status_code != 204:
                assert answer.status_code == 503, answer.text
                return False
            acknowledged.append(state)
        return True
