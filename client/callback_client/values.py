"""What the service tells, as frozen values.

Fields that this version does not know are ignored, and those that an answer may lack have a
default, so that client and service can be of different versions. Times are aware.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, FrozenSet, Iterable, Iterator, Mapping, Optional, Tuple

FINAL_STATES: FrozenSet[str] = frozenset(
    ["COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED"]
)

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")


def parse_moment(text: str) -> datetime:
    """The time that RFC 3339 writes like this. Raises `ValueError`."""
    found = _MOMENT.fullmatch(text)
    if not found:
        raise ValueError(f"not a time with an offset: {text!r}")
    seconds, fraction, offset = found.groups()
    # Before 3.11 `fromisoformat` reads neither `Z` nor fractions but of 3 or 6 digits.
    micros = (fraction or "")[:6].ljust(6, "0")
    return datetime.fromisoformat(
        f"{seconds.upper()}.{micros}{'+00:00' if offset in 'Zz' else offset}"
    )


def _moment_or_none(text: Optional[str]) -> Optional[datetime]:
    return None if text is None else parse_moment(text)


@dataclass(frozen=True)
class Update:
    """One change of a task's state: (`server`, `task_id`, `seq`) names it.

    `seq` counts the updates of a task from 1; `previous` is the state before, and
    `UNKNOWN` before the first; `at` is when the service learnt of it; `source` is
    `callback`, `poll`, `gateway` or `bridge`; `final` is whether the task has ended;
    `reason` says why, in a task's history, where it is the service that concluded it.
    """

    server: str
    task_id: str
    seq: int
    state: str
    previous: str
    at: datetime
    source: str
    final: bool
    reason: Optional[str] = None

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Update:
        """An update as the service writes it: in its feed, and in webhooks of format `batch`.

        Raises `KeyError`, `TypeError` or `ValueError` for anything else.
        """
        return cls(
            server=item["server"],
            task_id=item["task_id"],
            seq=int(item["seq"]),
            state=item["state"],
            previous=item.get("previous", "UNKNOWN"),
            at=parse_moment(item["at"]),
            source=item.get("source", ""),
            final=bool(item["final"]),
            reason=item.get("reason"),
        )


@dataclass(frozen=True)
class Capabilities:
    """What lets others act for a run; the service shows it once."""

    callback_url: str = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Capabilities:
        return cls(callback_url=item["callback_url"], secret=item["secret"])


@dataclass(frozen=True)
class Run:
    """A registered run.

    `callback_url` and `secret` are shown by `register` only, and empty otherwise.
    `tasks` (how many are in each state), `owed` (how many tasks have updates that
    it was not told yet) and `dead_letters` (how many updates it could not be told)
    are counted by `CallbackClient.run` only, and None otherwise. `status` is
    `active`, `paused` or `gone`; `retry_schedule` is in seconds.
    """

    id: str
    name: str = ""
    owner: str = ""
    server: str = ""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    sink: Mapping[str, Any] = field(default_factory=dict, hash=False)
    status: str = "active"
    created_at: Optional[datetime] = None
    expires_at: Optional[datetime] = None
    retry_schedule: Tuple[float, ...] = ()
    failures: int = 0
    next_attempt_at: Optional[datetime] = None
    last_delivery_at: Optional[datetime] = None
    last_error: Optional[str] = None
    tasks: Optional[Mapping[str, int]] = field(default=None, hash=False)
    owed: Optional[int] = None
    dead_letters: Optional[int] = None
    # Capabilities belong into no log.
    callback_url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Run:
        return cls(
            id=item["id"],
            name=item.get("name", ""),
            owner=item.get("owner", ""),
            server=item.get("server", ""),
            tags=dict(item.get("tags", {})),
            sink=dict(item.get("sink", {})),
            status=item.get("status", "active"),
            created_at=_moment_or_none(item.get("created_at")),
            expires_at=_moment_or_none(item.get("expires_at")),
            retry_schedule=tuple(item.get("retry_schedule", ())),
            failures=item.get("failures", 0),
            next_attempt_at=_moment_or_none(item.get("next_attempt_at")),
            last_delivery_at=_moment_or_none(item.get("last_delivery_at")),
            last_error=item.get("last_error"),
            tasks=item.get("tasks"),
            owed=item.get("owed"),
            dead_letters=item.get("dead_letters"),
            callback_url=item.get("callback_url", ""),
            secret=item.get("secret", ""),
        )


@dataclass(frozen=True)
class TaskState:
    """How a task stands; `UNKNOWN` where the service knows nothing of it."""

    server: str
    id: str
    state: str
    seq: int = 0

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> TaskState:
        return cls(item["server"], item["id"], item["state"], item.get("seq", 0))


@dataclass(frozen=True)
class Task:
    """A task with its history, oldest first; of very many updates the last ones.

    `seq` is the number of its last update, 0 if there was none. `heard_at` is when
    the service last heard of it, be it nothing new; `confirmed_at`, when the TES
    server itself last confirmed the state. `runs` are the ids of those that follow it.
    """

    server: str
    id: str
    state: str
    seq: int
    final: bool
    history: Tuple[Update, ...] = ()
    updated_at: Optional[datetime] = None
    heard_at: Optional[datetime] = None
    confirmed_at: Optional[datetime] = None
    runs: Tuple[str, ...] = ()

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Task:
        return cls(
            server=item["server"],
            id=item["id"],
            state=item["state"],
            seq=item["seq"],
            final=item["final"],
            history=tuple(_history(item["server"], item["id"], item.get("history", ()))),
            updated_at=_moment_or_none(item.get("updated_at")),
            heard_at=_moment_or_none(item.get("heard_at")),
            confirmed_at=_moment_or_none(item.get("confirmed_at")),
            runs=tuple(item.get("runs", ())),
        )


def _history(server: str, task_id: str, moves: Iterable[Mapping[str, Any]]) -> Iterator[Update]:
    # In a history the task is named once, and what was before an update stands before it.
    previous = "UNKNOWN"
    for move in moves:
        state = move["state"]
        yield Update.from_json(
            {
                "server": server,
                "task_id": task_id,
                "previous": previous,
                "final": state in FINAL_STATES,
                **move,
            }
        )
        previous = state


@dataclass(frozen=True)
class Delivery:
    """One attempt to tell a run something.

    `verdict` is `told`, `retry`, `refused` or `gone`; `status` is the HTTP status
    that the receiver answered, None if it did not; `updates` is how many were sent.
    """

    at: datetime
    webhook_id: str
    attempt: int
    updates: int
    verdict: str
    latency_ms: float
    status: Optional[int] = None
    error: Optional[str] = None
    answer: str = ""

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Delivery:
        return cls(
            at=parse_moment(item["at"]),
            webhook_id=item["webhook_id"],
            attempt=item["attempt"],
            updates=item["updates"],
            verdict=item["verdict"],
            latency_ms=item["latency_ms"],
            status=item.get("status"),
            error=item.get("error"),
            answer=item.get("answer", ""),
        )


@dataclass(frozen=True)
class Polling:
    """How asking a TES server goes.

    `last_poll_at` is when it was last asked with success, and `next_poll_at` until when
    it is left alone; `failures` counts those in a row, and `error` says why the last one
    failed. They are None where there is nothing to be said.
    """

    last_poll_at: Optional[datetime] = None
    next_poll_at: Optional[datetime] = None
    requests: int = 0
    failures: int = 0
    error: Optional[str] = None

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Polling:
        return cls(
            last_poll_at=_moment_or_none(item.get("last_poll_at")),
            next_poll_at=_moment_or_none(item.get("next_poll_at")),
            requests=item.get("requests", 0),
            failures=item.get("failures", 0),
            error=item.get("error"),
        )


@dataclass(frozen=True)
class Server:
    """A registered TES server.

    `calls_back` is `yes`, `no`, or `unknown` while the service finds out, and
    `calls_back_learnt` whether it is the service that does; `default` is whether the server
    is meant where none is named; `gateway_url` is what clients can take as their TES URL
    instead of `url`, None where there is no gateway; `access` is `token`, `pass` or `open`;
    `credentials` is the name of those with which the service reaches it.
    """

    name: str
    url: str
    calls_back: str = "unknown"
    default: bool = False
    gateway_url: Optional[str] = None
    created_at: Optional[datetime] = None
    access: str = "token"
    credentials: Optional[str] = None
    calls_back_learnt: bool = True
    polling: Polling = Polling()

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Server:
        return cls(
            name=item["name"],
            url=item["url"],
            calls_back=item.get("calls_back", "unknown"),
            default=item.get("default", False),
            gateway_url=item.get("gateway_url"),
            created_at=_moment_or_none(item.get("created_at")),
            access=item.get("access", "token"),
            credentials=item.get("credentials"),
            calls_back_learnt=item.get("calls_back_learnt", True),
            polling=Polling.from_json(item.get("polling", {})),
        )
