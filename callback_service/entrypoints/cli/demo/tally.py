"""What was acknowledged, what each run was told, and whether that is the same."""

import math
from collections import Counter
from dataclasses import dataclass, field

from callback_service.domain.states import State
from callback_service.entrypoints.cli.service_client import Json


@dataclass(slots=True)
class Sent:
    """The changes of every task that the service acknowledged, with the times of that."""

    changes: dict[str, list[tuple[State, float]]] = field(default_factory=dict)
    count: int = 0
    # Callbacks that were not acknowledged, and sent once more.
    again: int = 0
    states: Counter[State] = field(default_factory=Counter)

    def acknowledge(self, task_id: str, state: State, at: float) -> None:
        # The task that moved last comes last.
        changes = self.changes[task_id] = self.changes.pop(task_id, [])
        if changes:
            self.states[changes[-1][0]] -= 1
        changes.append((state, at))
        self.states[state] += 1
        self.count += 1


@dataclass(slots=True)
class Inbox:
    """What one run was told: for each task, its updates by `seq`, with the times of arrival."""

    name: str
    told: dict[str, dict[int, tuple[str, float]]] = field(default_factory=dict)
    count: int = 0
    repeated: int = 0
    out_of_order: int = 0
    unverified: int = 0

    def take(self, update: Json, at: float) -> None:
        told = self.told.setdefault(update["task_id"], {})
        seq = update["seq"]
        if seq in told:
            self.repeated += 1
            return
        if told and seq < max(told):
            self.out_of_order += 1
        told[seq] = update["state"], at
        self.count += 1

    def lost(self, sent: Sent) -> int:
        """How many acknowledged changes it was not told, or told wrongly."""
        return sum(
            self.told.get(task, {}).get(seq, ("", 0))[0] != state
            for task, changes in sent.changes.items()
            for seq, (state, _) in enumerate(changes, start=1)
        )

    def delays(self, sent: Sent) -> list[float]:
        """Seconds from the acknowledgement to the arrival, sorted.

        A delivery may overtake the answer to the callback: that is no delay.
        """
        return sorted(
            max(0.0, self.told[task][seq][1] - at)
            for task, changes in sent.changes.items()
            for seq, (_, at) in enumerate(changes, start=1)
            if seq in self.told.get(task, {})
        )


def percentile(values: list[float], share: float) -> float | None:
    """Of sorted values, by nearest rank."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended; `seconds` is how long it took."""

    planned: int
    sent: Sent
    inboxes: tuple[Inbox, ...]
    seconds: float

    @property
    def is_good(self) -> bool:
        return self.sent.count == self.planned and not any(
            inbox.lost(self.sent) or inbox.out_of_order or inbox.unverified
            for inbox in self.inboxes
        )

    def as_json(self) -> Json:
        return {
            "ok": self.is_good,
            "planned": self.planned,
            "sent": self.sent.count,
            "sent_again": self.sent.again,
            "seconds": round(self.seconds, 3),
            "runs": [self._run(inbox) for inbox in self.inboxes],
        }

    def _run(self, inbox: Inbox) -> Json:
        delays = inbox.delays(self.sent)
        return {
            "name": inbox.name,
            "received": inbox.count,
            "lost": inbox.lost(self.sent),
            "out_of_order": inbox.out_of_order,
            "repeated": inbox.repeated,
            "unverified": inbox.unverified,
            "delay_ms": {
                "p50": _milliseconds(percentile(delays, 0.5)),
                "p99": _milliseconds(percentile(delays, 0.99)),
            },
        }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
