"""The measurements: the floor, the closed loops, the open loop, on one running service."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.floor import Floor, run_floor
from bench.ledger import Arrived, Sent, balance, delays
from bench.load import ClosedLoop, OpenLoop
from bench.percentiles import milliseconds, percentile
from bench.plan import NEW_TASKS, TASK_STATES, Plan, Window
from bench.processes import Receiving, receiving, run_load, working
from bench.service import Service
from bench.usage import Usage

# Seconds that a process of the benchmark needs to begin.
_STARTING = 1.0
# A generator that is later than this, in seconds, measures itself.
_LAG_ALLOWED = 0.010


@dataclass(frozen=True, slots=True)
class Bench:
    plan: Plan
    service: Service

    def run(self) -> dict[str, Any]:
        floors = {states: self._floor(states) for states in (NEW_TASKS, TASK_STATES)}
        closed = [
            self._closed("new tasks", NEW_TASKS, floors[NEW_TASKS]),
            self._closed("four states a task", TASK_STATES, floors[TASK_STATES]),
        ]
        with receiving() as receiver:
            told = self._closed("four states a task", TASK_STATES, floors[TASK_STATES], receiver)
        with receiving() as receiver:
            return {"closed": [*closed, told], "open": self._open(receiver)}

    def _floor(self, states: Sequence[str]) -> float:
        window = self._window(self.plan.seconds / 2)
        where = self.service.database, self.service.name
        floor = Floor(*where, states, self.plan.connections, window)
        with working(run_floor, floor) as writing:
            written: int = writing.result()
        return written / window.seconds

    def _closed(
        self, name: str, states: Sequence[str], floor: float, receiver: Receiving | None = None
    ) -> dict[str, Any]:
        window = self._window(self.plan.seconds)
        url = self.service.register(_sink(receiver))
        load = ClosedLoop(
            url, f"closed-{time.time_ns()}", states, self.plan.connections, window.ends
        )
        sent, used = self._send(load, window)
        within = [one for one in sent if one.is_acknowledged and window.holds(one.answered)]
        rate = len(within) / window.seconds
        return {
            "load": name,
            "sink": "http" if receiver else "none",
            "acknowledged_per_second": round(rate),
            "floor_per_second": round(floor),
            "share_of_floor": round(rate / floor, 2),
            "acknowledged_ms": milliseconds(one.answered - one.due for one in within),
            "cpu_ms_per_callback": _per_callback(used, len(within)),
            **(self._ledger(sent, receiver) if receiver else _intake(sent)),
        }

    def _open(self, receiver: Receiving) -> dict[str, Any]:
        plan = self.plan
        window = self._window(plan.seconds * 2)
        url = self.service.register(_sink(receiver))
        whole = Window(window.begins - plan.warm_up, window.ends)
        load = OpenLoop(url, f"open-{time.time_ns()}", TASK_STATES, plan.rate, whole)
        sent, used = self._send(load, window)
        ledger = self._ledger(sent, receiver)
        within = [one for one in sent if window.holds(one.due)]
        lag = percentile((one.lag for one in within), 0.99) or 0.0
        void = [f"the generator lagged by {lag * 1000:.0f} ms"] if lag > _LAG_ALLOWED else []
        return {
            "rate": plan.rate,
            "end_to_end_ms": milliseconds(delays(within, receiver.arrived())),
            "acknowledged_ms": milliseconds(one.answered - one.due for one in within),
            "lag_ms": milliseconds(one.lag for one in within),
            "cpu_ms_per_callback": _per_callback(used, len(within)),
            **ledger,
            "void": ledger["void"] + void,
        }

    def _window(self, seconds: float) -> Window:
        begins = time.monotonic() + _STARTING + self.plan.warm_up
        return Window(begins, begins + seconds)

    def _send(
        self, load: ClosedLoop | OpenLoop, window: Window
    ) -> tuple[list[Sent], dict[str, float]]:
        """What was sent, and the CPU seconds of each process of the service meanwhile."""
        with working(run_load, load) as sending:
            _sleep_until(window.begins)
            before = self.service.usage()
            _sleep_until(window.ends)
            after = self.service.usage()
            sent: list[Sent] = sending.result()
        return sent, {name: after[name].cpu - before.get(name, Usage()).cpu for name in after}

    def _ledger(self, sent: Sequence[Sent], receiver: Receiving) -> dict[str, Any]:
        began = time.monotonic()
        self._drain(sum(one.is_acknowledged for one in sent), receiver)
        drained = time.monotonic() - began
        ledger = balance(sent, receiver.arrived())
        void = [] if ledger.is_balanced else ["the ledger is not balanced"]
        return {"ledger": asdict(ledger), "drained_s": round(drained, 1), "void": void}

    def _drain(self, owed: int, receiver: Receiving) -> None:
        """Until all has arrived, or nothing has for a while."""
        arrived, deadline = 0, time.monotonic() + self.plan.patience
        while arrived < owed and time.monotonic() < deadline:
            time.sleep(0.1)
            now = receiver.count()
            if now > arrived:
                arrived, deadline = now, time.monotonic() + self.plan.patience
        # Repeats that are still on their way.
        time.sleep(0.5)


def _sink(receiver: Receiving | None) -> dict[str, str]:
    return {"type": "http", "url": receiver.url} if receiver else {"type": "none"}


def _intake(sent: Sequence[Sent]) -> dict[str, Any]:
    nobody: list[Arrived] = []
    ledger = balance(sent, nobody)
    return {"ledger": {"acknowledged": ledger.acknowledged, "refused": ledger.refused}, "void": []}


def _per_callback(used: dict[str, float], callbacks: int) -> dict[str, float]:
    return {name: round(1000 * cpu / max(1, callbacks), 2) for name, cpu in used.items()}


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))
