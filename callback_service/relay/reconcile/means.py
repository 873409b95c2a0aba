"""What servers are asked with, and on what terms."""

from collections.abc import Callable
from dataclasses import dataclass, field

from callback_service.domain.freshness import Patience
from callback_service.domain.polling import Budget
from callback_service.domain.tes import Tag
from callback_service.relay.observe import Observer
from callback_service.relay.ports import Clock, Servers, Tasks, TesServers


@dataclass(frozen=True, slots=True)
class Terms:
    """`tag` is what the gateway puts on every task that it forwards."""

    tag: Tag
    budget: Budget = field(default_factory=Budget)
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Means:
    """`chance` is in [0, 1)."""

    tes_servers: TesServers
    servers: Servers
    tasks: Tasks
    observer: Observer
    clock: Clock
    chance: Callable[[], float]
    terms: Terms
