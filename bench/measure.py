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
        floors = [self._floor("new tasks", NEW_TASKS), self._floor("four states", TASK_STATES)]
        new, four = (floor["written_per_second"] for floor in floors)
        closed = [
            self._closed("new tasks", NEW_TASKS, new),
            self._closed("four states", TASK_STATES, four),
        ]
        with receiving() as receiver:
            closed.append(self._closed("four states", TASK_STATES, four, receiver))
        with receiving() as receiver:
            return {"floor": floors, "closed": closed, "open": self._open(receiver)}

    def _floor(self, name: str, states: Sequence[str]) -> dict[str, Any]:
        window = self._window(self.plan.seconds / 2)
        where = self.service.database, self.service.name
        floor = Floor(*where, states, self.plan.connections, window)
        written, used = self._measured(run_floor, floor, window)
        return {
            "load": name,
            "written_per_second": round(written / window.seconds),
            "cpu_ms_per_write": _each({"database": used.get("database", 0.0)}, written),
        }

    def _closed(
        self, name: str, states: Sequence[str], floor: int, receiver: Receiving | None = None
    ) -> dict[str, Any]:
        window = self._window(self.plan.seconds)
        url = self.service.register(_sink(receiver))
        load = ClosedLoop(
            url, f"closed-{time.time_ns()}", states, self.plan.connections, window.ends
        )
        sent, used = self._measured(run_load, load, window)
        within = [one for one in sent if one.is_acknowledged and window.holds(one.answered)]
        rate = round(len(within) / window.seconds)
        return {
            "load": name,
            "sink": "http" if receiver else "none",
            "acknowledged_per_second": rate,
            "share_of_floor": round(rate / max(1, floor), 2),
            "acknowledged_ms": milliseconds(one.answered - one.due for one in within),
            "cpu_ms_per_callback": _each(used, len(within)),
            **(self._ledger(sent, receiver) if receiver else _intake(sent)),
        }

    def _open(self, receiver: Receiving) -> dict[str, Any]:
        plan = self.plan
        window = self._window(plan.seconds * 2)
        url = self.service.register(_sink(receiver))
        whole = Window(window.begins - plan.warm_up, window.ends)
        load = OpenLoop(url, f"open-{time.time_ns()}", TASK_STATES, plan.rate, whole)
        sent, used = self._measured(run_load, load, window)
        ledger = self._ledger(sent, receiver)
        within = [one for one in sent if window.holds(one.due)]
        lag = percentile((one.lag for one in within), 0.99) or 0.0
        void = [f"the generator lagged by {lag * 1000:.0f} ms"] if lag > _LAG_ALLOWED else []
        return {
            "rate": plan.rate,
            "end_to_end_ms": milliseconds(delays(within, receiver.arrived())),
            "acknowledged_ms": milliseconds(one.answered - one.due for one in within),
            "lag_ms": milliseconds(one.lag for one in within),
            "cpu_ms_per_callback": _each(used, len(within)),
            **ledger,
            "void": ledger["void"] + void,
        }

    def _window(self, seconds: float) -> Window:
        begins = time.monotonic() + _STARTING + self.plan.warm_up
        return Window(begins, begins + seconds)

    def _measured(self, target: Any, load: Any, window: Window) -> tuple[Any, dict[str, float]]:
        """What came of it, and the CPU seconds of each process of the service within the window."""
        with working(target, load) as work:
            _sleep_until(window.begins)
            before = self.service.usage()
            _sleep_until(window.ends)
            after = self.service.usage()
            result = work.result()
        return result, {name: after[name].cpu - before.get(name, Usage()).cpu for name in after}

    def _ledger(self, sent: Sequence[Sent], receiver: Receiving) -> dict[str, Any]:
        began = time.monotonic()
        self._drain(sum(one.is_acknowledged for one in sent), receiver)
        drained = time.monotonic() - began
        # Repeats that are still on their way.
        time.sleep(0.5)
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


def _sink(receiver: Receiving | None) -> dict[str, str]:
    return {"type": "http", "url": receiver.url} if receiver else {"type": "none"}


def _intake(sent: Sequence[Sent]) -> dict[str, Any]:
    nobody: list[Arrived] = []
    ledger = balance(sent, nobody)
    return {"ledger": {"acknowledged": ledger.acknowledged, "refused": ledger.refused}, "void": []}


def _each(used: dict[str, float], number: int) -> dict[str, float]:
    """Milliseconds for each of so many."""
    return {name: round(1000 * cpu / max(1, number), 2) for name, cpu in used.items()}


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))
